/** Style sheet, script and icon: served as three files, named by their digests, so that browsers keep them for good. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../problem.ts';
import { addRoute, parameter } from '../route.ts';

/** In their order: later rules override earlier ones. */
const STYLES = ['base', 'layout', 'lists', 'texts', 'forms', 'media'];

const FILES = {
  style: {
    file: 'style.css',
    type: 'text/css; charset=utf-8',
    parts: STYLES.map((name) => `style/${name}.css`),
  },
  script: {
    file: 'script.js',
    type: 'text/javascript; charset=utf-8',
    parts: ['script.js'],
  },
  icon: { file: 'icon.svg', type: 'image/svg+xml', parts: ['icon.svg'] },
} as const;

type Name = keyof typeof FILES;

/** Where each is served. */
export type Assets = Readonly<Record<Name, string>>;

const DIGEST_LENGTH = 16;

/** Reads the files and serves them. @throws when the installation lacks one */
export async function serveAssets(app: FastifyInstance): Promise<Assets> {
  const folder = assetFolder();
  const served = new Map<string, { bytes: Buffer; type: string }>();
  const paths: Partial<Record<Name, string>> = {};
  for (const [name, { file, type, parts }] of Object.entries(FILES)) {
    const read = parts.map((part) => readFile(join(folder, part)));
    const bytes = Buffer.concat(await Promise.all(read));
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, DIGEST_LENGTH);
    const path = file.replace('.', `.${digest}.`);
    served.set(path, { bytes, type });
    paths[name as Name] = `/static/${path}`;
  }
  addRoute(app, '/static/:file', {
    get: async (request, reply) => {
      const asset = served.get(parameter(request, 'file'));
      if (asset === undefined) throw new Problem(404, 'There is no such file');
      reply.header('cache-control', 'public, max-age=31536000, immutable');
      // The icon is a document of its own when it is opened alone.
      reply.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'");
      return reply.type(asset.type).send(asset.bytes);
    },
  });
  return paths as Assets;
}

// They are not compiled: sources run from src/, dist/ or build/ts/src/, the files lie in src/ only.
function assetFolder(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) break;
    directory = parent;
  }
  return join(directory, 'src/hub/web/assets');
}
