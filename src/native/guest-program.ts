/**
 * Finds the guest program, which the core daemon runs in containers.
 *
 * Order: the path in `G8UFS_GUEST`, the local build, the prebuilt binary of the package.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { G8Error } from '../base/errors.ts';
import { packageRoot } from './package-root.ts';

/** @throws ERR_CONFIG when there is none */
export function findGuestProgram(): string {
  const override = process.env['G8UFS_GUEST'];
  if (override !== undefined && override !== '') return override;
  const root = packageRoot();
  const candidates = [
    join(root, 'build/native/release/g8ufs-guest'),
    join(root, `prebuilds/linux-${process.arch}-glibc/g8ufs-guest`),
  ];
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path !== undefined) return path;
  throw new G8Error(
    'ERR_CONFIG',
    `The guest program is not built (looked for ${candidates.join(', ')}); run: npm run build:native`,
  );
}
