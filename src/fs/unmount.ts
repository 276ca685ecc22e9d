/**
 * Detaches mounts that no living session of ours can detach itself: overlays, and what a daemon that
 * died has left. Runs the system's own programs with argument arrays; never a shell.
 */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { G8Error } from '../base/errors.ts';
import { findMount, type MountEntry, readMountinfo } from './mountinfo.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;
const LOWER = 'lowerdir=';
/** Where the lower layers of writable mounts are, below the folder of their cache. */
export const LOWER_FOLDER = 'run/lower';

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
 * The FUSE mount below a writable mount of ours, and of nobody else's overlay.
 *
 * @param entry any mount
 */
export function hiddenLower(entry: MountEntry): string | undefined {
  const lower = lowerOf(entry);
  if (lower === undefined || !dirname(lower).endsWith(`/${LOWER_FOLDER}`)) return undefined;
  return findMount(lower)?.type === 'fuse.g8ufs' ? lower : undefined;
}

/** What an overlay with one lower layer has below it. */
function lowerOf({ type, superOptions }: MountEntry): string | undefined {
  if (type !== 'overlay') return undefined;
  const option = superOptions.split(',').find((each) => each.startsWith(LOWER));
  return option?.slice(LOWER.length);
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
    const place = lowerOf(entry) ?? entry.mountPoint;
    if (!inside(place) || kept.has(place)) continue;
    await unmount(entry.mountPoint, true);
    detached.push(entry.mountPoint);
  }
  return detached;
}
