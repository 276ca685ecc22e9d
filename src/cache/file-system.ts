/** What kind of file system the cache lies on, and what follows from it. */
import { statfs } from 'node:fs/promises';
import { G8Error } from '../base/errors.ts';

/** Names by the magic numbers of statfs(2), as far as something follows from them or people ask. */
const NAMES: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  4076150800: 'f2fs',
  801189825: 'zfs',
  16914836: 'tmpfs',
  2240043254: 'ramfs',
  2035054128: 'overlay',
  1702057286: 'fuse',
  26985: 'nfs',
  4283649346: 'cifs',
  4266872130: 'smb',
  12805120: 'ceph',
  16914839: '9p',
  1397113167: 'afs',
  1952539503: 'ocfs2',
  18225520: 'gfs2',
};

/**
 * Other machines write to these, too: what keeps two daemons apart, a lock of the kernel, may not hold there, and
 * files that change behind a kernel's back are nothing to hand to it.
 */
const SHARED = new Set(['nfs', 'cifs', 'smb', 'ceph', 'afs', 'ocfs2', 'gfs2']);

/** Name of the file system of a folder; its magic number in hex when it has none here. */
export async function fileSystemOf(dir: string): Promise<string> {
  // 32 bits, which the kernel may give as a negative number.
  const magic = (await statfs(dir)).type >>> 0;
  return NAMES[magic] ?? `0x${magic.toString(16)}`;
}

/** @throws ERR_CONFIG when other machines could write to the folder */
export function requireLocal(dir: string, fileSystem: string): void {
  if (!SHARED.has(fileSystem)) return;
  throw new G8Error(
    'ERR_CONFIG',
    `The cache ${dir} lies on ${fileSystem}: it needs a file system of this machine alone`,
    { details: { dir, fileSystem } },
  );
}
