/**
 * A filesystem tree as plain values: what every flist generation is read into and every writer
 * writes from. Names and targets are bytes. Pure.
 */
import type { Content } from './content.ts';

/** `st_mode` type bits (inode(7)). */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export const NAME_SIZE_MAX = 255;
export const TARGET_SIZE_MAX = 4095;

export interface Xattr {
  /** Full name with namespace, such as `user.comment`. */
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Identity and attributes of a file. Hard links are entries that share one `Inode` object. */
export interface Inode {
  /** Full `st_mode`: type, setuid, setgid, sticky and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, may be negative. */
  readonly mtimeSeconds: number;
  /** 0 to 999 999 999. */
  readonly mtimeNanoseconds: number;
  /** Bytes of a regular file; 0 for every other type. */
  readonly size: number;
  /** Device numbers, for character and block devices only. */
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  /** Symlink target; only for symlinks. */
  readonly target?: Uint8Array;
  /** Sorted by name in byte order; absent when there are none. */
  readonly xattrs?: readonly Xattr[];
  /** Regular files with size > 0. */
  readonly content?: Content;
  /** Directories only: sorted by name in byte order, without `.` and `..`, names unique. */
  readonly entries?: readonly Dentry[];
}

export interface Dentry {
  readonly name: Uint8Array;
  readonly inode: Inode;
}
