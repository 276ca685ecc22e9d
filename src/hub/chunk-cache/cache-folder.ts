/**
 * The folder of a cache says that it is one, in the way that backup programs know as well (the Cache Directory Tagging
 * Specification, bford.info/cachedir). A folder without that is never taken for a cache: what is in it may be all
 * that somebody has, and a cache removes what is above its bound.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';

const TAG = 'CACHEDIR.TAG';
const SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55';
const TEXT = `${SIGNATURE}
# Chunks that a hub has fetched from another machine. All of them can be fetched again.
`;

/**
 * Makes the folder where it is missing, for its owner alone: chunks of private repositories lie in it.
 *
 * @throws ERR_CONFIG when there is a folder with something in it that does not say that it is a cache;
 *   ERR_PERMISSION, ERR_CREATE, ERR_CACHE_FULL, ERR_IO when it cannot be made, read or written
 */
export async function takeCacheFolder(path: string): Promise<void> {
  await makeFolder(path, { mode: 0o700 });
  try {
    if (await isTagged(path)) return;
    if ((await readdir(path)).length === 0) return await writeFile(join(path, TAG), TEXT);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `Chunks cannot be kept in ${path}`);
  }
  const advice = `Take an empty folder, or put a file ${TAG} into it that begins with "${SIGNATURE}"`;
  throw new G8Error('ERR_CONFIG', `${path} is not empty and no cache. ${advice}`);
}

async function isTagged(path: string): Promise<boolean> {
  try {
    return (await readFile(join(path, TAG), 'utf8')).startsWith(SIGNATURE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
