/**
 * Detaches mounts that no living session of ours can detach itself: overlays, and what a daemon that
 * died has left. Runs the system's own programs with argument arrays; never a shell.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { G8Error } from '../base/errors.ts';
import { findMount, readMountinfo } from './mountinfo.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;
const LOWER = 'lowerdir=';

/**
 * Unmounts what is on top at `mountPoint`.
 *
 * @param lazy detach now, also when it is busy or its server is dead
 * @throws ERR_MOUNT with the program's own words; ERR_PERMISSION when not allowed
 */
export async function unmount(mountPoint: string, lazy: boolean): Promise<void> {
  const entry = findMount(mountPoint);
  const asUser = process.getuid?.() !== 0 && entry?.type.startsWith('fuse') === true;
  const [program, args] = asUser
    ? ['fusermount3', ['-u', ...(lazy ? ['-z'] : []), '--', mountPoint]]
    : ['umount', [...(lazy ? ['-l'] : []), '-i', '--', mountPoint]];
  try {
    await run(program as string, args as string[], { timeout: TIMEOUT_MS, cwd: '/' });
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1);
    throw new G8Error(
      process.getuid?.() !== 0 && /permission|superuser/i.test(words ?? '')
        ? 'ERR_PERMISSION'
        : 'ERR_MOUNT',
      `${mountPoint} cannot be unmounted: ${words || String(error)}`,
      { cause: error },
    );
  }
}

/**
 * Detaches everything at or below a folder of ours, and overlays elsewhere whose lower layer is there:
 * after a daemon's death none of them can ever answer again.
 *
 * @param kept mount points that a keeper has held for us: these are left alone, and so is what is on top
 * @returns the mount points that were detached, in the order it was done
 */
export async function detachLeftovers(
  folder: string,
  kept: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  const inside = (path: string): boolean => path === folder || path.startsWith(`${folder}/`);
  const detached: string[] = [];
  for (const entry of readMountinfo().reverse()) {
    const lower =
      entry.type === 'overlay'
        ? entry.superOptions.split(',').find((option) => option.startsWith(LOWER))
        : undefined;
    const place = lower?.slice(LOWER.length) ?? entry.mountPoint;
    if (!inside(place) || kept.has(place)) continue;
    await unmount(entry.mountPoint, true);
    detached.push(entry.mountPoint);
  }
  return detached;
}
