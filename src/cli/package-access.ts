/** A flist that a user has named, as a package on disk. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from './context.ts';

/** @param use gets the path of the package, and whether it was taken out of a bundle */
export async function withPackage<T>(
  context: Context,
  source: string,
  use: (path: string, isBundle: boolean) => Promise<T>,
): Promise<T> {
  const { fetchPackage, isUrl } = await import('../image/fetch.ts');
  const dir = await mkdtemp(join(context.env['TMPDIR'] || tmpdir(), 'g8ufs-'));
  try {
    const path = await fetchPackage(source, dir, context.signal);
    return await use(path, path !== source && !isUrl(source));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
