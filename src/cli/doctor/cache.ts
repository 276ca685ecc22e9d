/** Whether the cache's folder is on a file system that does what a cache needs, with room. */
import { access, constants, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatSize } from '../../base/bytes.ts';
import { defaultFreeFloor } from '../../cache/evict.ts';
import { doubtOf, fileSystemOf, isShared } from '../../cache/file-system.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const VOLATILE = ['tmpfs', 'ramfs'];

/** In bytes. */
export interface CacheWishes {
  /** The limit of the cache. */
  readonly sizeMax: number;
  /** What it leaves free; `undefined`: what a daemon takes when nobody has said it. */
  readonly freeFloor: number | undefined;
}

export async function cacheFindings(cacheDir: string, wanted: CacheWishes): Promise<Finding[]> {
  const folder = await existing(cacheDir);
  try {
    await access(folder, constants.W_OK);
  } catch {
    const hint = 'name another folder by G8UFS_CACHE_DIR, or let this user write there';
    return [fail('cache', `${folder} cannot be written to`, hint)];
  }
  return [
    placeFinding(cacheDir, await fileSystemOf(folder)),
    ...(await spaceFindings(folder, wanted)),
  ];
}

/** @param type name of the file system that the cache lies on */
export function placeFinding(cacheDir: string, type: string): Finding {
  const text = `${cacheDir} is on ${type}`;
  if (isShared(type)) {
    const hint =
      'put the cache on a file system of this machine alone: no daemon starts on this one';
    return fail('cache', text, hint);
  }
  const doubt = doubtOf(type);
  if (doubt !== undefined) return warn('cache', text, doubt);
  if (type === 'overlay') {
    const hint = 'put the cache on ext4, XFS or btrfs: the kernel then reads its files itself';
    return warn('cache', text, hint);
  }
  if (VOLATILE.includes(type)) {
    const hint = 'put the cache on a disk: what it holds is memory, and gone after a restart';
    return warn('cache', text, hint);
  }
  return ok('cache', text);
}

async function spaceFindings(folder: string, wanted: CacheWishes): Promise<Finding[]> {
  const found: Finding[] = [];
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  const free = bavail * bsize;
  const floor = wanted.freeFloor ?? defaultFreeFloor(blocks * bsize);
  const shown = `${formatSize(free)} free`;
  if (free < floor) {
    const hint = `the cache leaves ${formatSize(floor)} free (cacheFree): make room, or lower it`;
    found.push(fail('cache space', shown, hint));
  } else if (free < wanted.sizeMax) {
    const hint = `the cache may have ${formatSize(wanted.sizeMax)} (cacheSize): it will be cut sooner`;
    found.push(warn('cache space', shown, hint));
  } else found.push(ok('cache space', shown));
  if (files > 0 && ffree < 10_000) {
    found.push(warn('cache space', `${ffree} files can still be made`, 'each content is a file'));
  }
  return found;
}

/** The folder, or the nearest one above that is there. */
export async function existing(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const isThere = await access(folder).then(
      () => true,
      () => false,
    );
    if (isThere || dirname(folder) === folder) return folder;
  }
}
