/** Whether the cache's folder is on a file system that does what a cache needs, with room. */
import { access, constants, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatSize } from '../../base/bytes.ts';
import { readMountinfo } from '../../fs/mountinfo.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** File systems whose files the kernel does not read for FUSE, or that lose them. */
const LAYERED = ['overlay', 'fuse', 'nfs', 'nfs4', 'cifs', 'smb3', '9p', 'virtiofs', 'ceph'];
const VOLATILE = ['tmpfs', 'ramfs'];

/** @param wanted bytes: the limit of the cache and what it leaves free */
export async function cacheFindings(
  cacheDir: string,
  wanted: { readonly sizeMax: number; readonly freeFloor: number },
): Promise<Finding[]> {
  const folder = await existing(cacheDir);
  const found: Finding[] = [];
  try {
    await access(folder, constants.W_OK);
  } catch {
    const hint = 'name another folder by G8UFS_CACHE_DIR, or let this user write there';
    return [fail('cache', `${folder} cannot be written to`, hint)];
  }
  const type = typeOf(folder);
  const kind = type.replace(/^fuse\..*/, 'fuse');
  if (LAYERED.includes(kind)) {
    const hint = 'put the cache on ext4, XFS or btrfs: the kernel then reads its files itself';
    found.push(warn('cache', `${cacheDir} is on ${type}`, hint));
  } else if (VOLATILE.includes(kind)) {
    const hint = 'put the cache on a disk: what it holds is memory, and gone after a restart';
    found.push(warn('cache', `${cacheDir} is on ${type}`, hint));
  } else found.push(ok('cache', `${cacheDir} is on ${type}`));
  const { bavail, bsize, ffree, files } = await statfs(folder);
  const free = bavail * bsize;
  const shown = `${formatSize(free)} free`;
  if (free < wanted.freeFloor) {
    const hint = `the cache leaves ${formatSize(wanted.freeFloor)} free (cacheFree): make room, or lower it`;
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

/** Type of the file system that has a folder. */
function typeOf(folder: string): string {
  const above = readMountinfo().filter(
    ({ mountPoint }) =>
      mountPoint === '/' || folder === mountPoint || folder.startsWith(`${mountPoint}/`),
  );
  // The last one of the longest lies on top.
  const longest = Math.max(...above.map(({ mountPoint }) => mountPoint.length));
  return above.filter(({ mountPoint }) => mountPoint.length === longest).at(-1)?.type ?? 'unknown';
}
