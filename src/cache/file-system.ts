/** What kind of file system the cache lies on, and what follows from it. */
import { readFile, stat, statfs } from 'node:fs/promises';
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
 * files that change behind a kernel's back are nothing to hand to it. By 9p a virtual machine sees a folder of its
 * host, and the usual servers grant every lock; the other names are programs that show another machine's files by FUSE.
 */
const SHARED = new Set([
  ...['nfs', 'cifs', 'smb', 'ceph', '9p', 'afs', 'ocfs2', 'gfs2'],
  ...['fuse.sshfs', 'fuse.glusterfs', 'fuse.ceph', 'fuse.ceph-fuse', 'fuse.rclone', 'fuse.s3fs'],
  ...['fuse.juicefs', 'fuse.gcsfuse', 'fuse.mfs', 'fuse.lizardfs', 'fuse.seaweedfs'],
]);

/**
 * Name of the file system of a folder; its magic number in hex when it has none here. All of FUSE has one number: what
 * it is says its mount (`virtiofs`, `fuse.NAME`, `fuseblk`), and `fuse` alone where nobody knows.
 */
export async function fileSystemOf(dir: string): Promise<string> {
  // 32 bits, which the kernel may give as a negative number.
  const magic = (await statfs(dir)).type >>> 0;
  const name = NAMES[magic] ?? `0x${magic.toString(16)}`;
  if (name !== 'fuse') return name;
  const { dev } = await stat(dir, { bigint: true });
  return typeByDevice(await readFile('/proc/self/mountinfo', 'utf8'), dev) ?? name;
}

/**
 * Type of the mounts of a device, as their line in mountinfo (proc(5)) has it.
 *
 * @param dev as stat(2) tells it
 */
export function typeByDevice(mountinfo: string, dev: bigint): string | undefined {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  const line = mountinfo.split('\n').find((text) => text.split(' ')[2] === `${major}:${minor}`);
  return line?.split(' - ')[1]?.split(' ')[0];
}

/** Whether other machines write to it, so that no cache can lie there. */
export function isShared(fileSystem: string): boolean {
  return SHARED.has(fileSystem);
}

/** @throws ERR_CONFIG when other machines could write to the folder */
export function requireLocal(dir: string, fileSystem: string): void {
  if (!isShared(fileSystem)) return;
  throw new G8Error(
    'ERR_CONFIG',
    `The cache ${dir} lies on ${fileSystem}: it needs a file system of this machine alone`,
    { details: { dir, fileSystem } },
  );
}

/** What has to hold on a file system that works for a cache, but need not be this machine's own: by FUSE it may be anybody's. */
export function doubtOf(fileSystem: string): string | undefined {
  if (fileSystem !== 'virtiofs' && !/^fuse(\.|$)/.test(fileSystem)) return undefined;
  return 'no other machine may use this folder: locks may not keep two daemons apart here';
}
