/**
 * Finds and loads the addon: the only place that touches a `.node` file.
 *
 * Order: the path in `G8UFS_ADDON`, the local build, the prebuilt binary of the package.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { G8Error } from '../base/errors.ts';
import type { Addon } from './addon.ts';

let loaded: Addon | undefined;

/**
 * The addon, loaded on first use.
 *
 * @throws ERR_CONFIG when no binary fits this machine, with the command that builds one
 */
export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const require = createRequire(import.meta.url);
  const candidates = addonPaths();
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new G8Error(
      'ERR_CONFIG',
      `The native addon is not built (looked for ${candidates.join(', ')}); run: npm run build:native`,
    );
  }
  const binding = require(path) as Addon;
  binding.initialize(G8Error);
  return binding;
}

function addonPaths(): string[] {
  const override = process.env['G8UFS_ADDON'];
  if (override !== undefined && override !== '') return [override];
  const root = packageRoot();
  return [
    join(root, 'build/native/release/g8ufs.node'),
    join(root, `prebuilds/linux-${process.arch}-glibc/g8ufs.node`),
  ];
}

// Sources run from src/, dist/ or build/ts/src/: the package root is where package.json lies.
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) return directory;
    directory = parent;
  }
  return directory;
}
