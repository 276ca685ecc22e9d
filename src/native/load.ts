/**
 * Finds and loads the addon: the only place that touches a `.node` file.
 *
 * Order: the path in `G8UFS_ADDON`, the local build, the prebuilt binary of the package.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { G8Error } from '../base/errors.ts';
import type { Addon } from './addon.ts';
import { packageRoot } from './package-root.ts';

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
  const binding = require(addonPath()) as Addon;
  binding.initialize(G8Error);
  return binding;
}

/** The file that is or would be loaded. @throws ERR_CONFIG when there is none */
export function addonPath(): string {
  const candidates = addonPaths();
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path !== undefined) return path;
  throw new G8Error(
    'ERR_CONFIG',
    `The native addon is not built (looked for ${candidates.join(', ')}); run: npm run build:native`,
  );
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
