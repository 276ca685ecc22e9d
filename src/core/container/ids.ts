/**
 * Numbers of containers: they count up, start again at 1 after the last one and leave out what is there. Several
 * processes may ask; the lock is beside the file that holds the next number.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { lockFile } from '../../base/file-lock.ts';

export const ID_MAX = 65_534;
const FILE = 'next-id';

/**
 * Runs `task` while no other process takes a number or clears away what one that died has left.
 *
 * @throws ERR_TIMEOUT when another process does not let go; what `task` throws
 */
export async function withIdLock<T>(stateDir: string, task: () => Promise<T>): Promise<T> {
  const lock = await lockFile(join(stateDir, FILE));
  try {
    return await task();
  } finally {
    await lock.release();
  }
}

/**
 * Takes the next free number by making its folder. Call it with the lock.
 *
 * @param folderOf where the folder of a container is
 * @throws ERR_CREATE when every number is taken
 */
export async function takeId(stateDir: string, folderOf: (id: number) => string): Promise<number> {
  const path = join(stateDir, FILE);
  const first = parse(await readFile(path, 'utf8').catch(() => ''));
  for (let step = 0; step < ID_MAX; step++) {
    const id = ((first - 1 + step) % ID_MAX) + 1;
    if (!(await made(folderOf(id)))) continue;
    await writeFile(`${path}.tmp`, `${(id % ID_MAX) + 1}\n`, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
    return id;
  }
  throw new G8Error('ERR_CREATE', 'Every container number is taken');
}

/** What is no number, after a crash of the machine, begins anew: folders that are there are left out. */
function parse(text: string): number {
  const id = Number(/^(\d{1,5})\n$/.exec(text)?.[1]);
  return id >= 1 && id <= ID_MAX ? id : 1;
}

async function made(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
