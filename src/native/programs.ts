/**
 * Finds the programs that come with the addon: the guest, which the core daemon runs in containers, and the
 * keeper, which holds the mounts of a daemon.
 *
 * Order: the path in `G8UFS_GUEST` or `G8UFS_KEEPER`, the local build, the prebuilt binary of the package.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { G8Error } from '../base/errors.ts';
import { packageRoot } from './package-root.ts';

/** @throws ERR_CONFIG when there is none */
export function findGuestProgram(): string {
  return findProgram('guest', process.env['G8UFS_GUEST']);
}

/** @throws ERR_CONFIG when there is none */
export function findKeeperProgram(): string {
  return findProgram('keeper', process.env['G8UFS_KEEPER']);
}

function findProgram(name: 'guest' | 'keeper', override: string | undefined): string {
  if (override !== undefined && override !== '') return override;
  const root = packageRoot();
  const candidates = [
    join(root, `build/native/release/g8ufs-${name}`),
    join(root, `prebuilds/linux-${process.arch}-glibc/g8ufs-${name}`),
  ];
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path !== undefined) return path;
  throw new G8Error(
    'ERR_CONFIG',
    `The ${name} program is not built (looked for ${candidates.join(', ')}); run: npm run build:native`,
  );
}
