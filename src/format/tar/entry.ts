/** What a tar archive says of one file, in the terms of `tree.ts`. Values only; every field is checked. */
import type { Xattr } from '../tree.ts';

/** `link` is a further name of a file that came before. */
export type TarType = 'file' | 'directory' | 'symlink' | 'link' | 'character' | 'block' | 'fifo';

/** A piece of a sparse file that is in the archive; what lies between is zeros. In bytes. */
export interface TarRegion {
  readonly offset: number;
  readonly length: number;
}

export interface TarEntry {
  readonly type: TarType;
  /** Names between single slashes, none of them `.` or `..`; empty for the root itself. */
  readonly path: Uint8Array;
  /** Permission bits with setuid, setgid and sticky, without the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  /** 0 to 999 999 999. */
  readonly mtimeNanoseconds: number;
  /** Bytes of a regular file once it is unpacked; 0 for every other type. */
  readonly size: number;
  /** What a symlink says, or for `link` the path of the other name, in the form of `path`. */
  readonly target?: Uint8Array;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  /** Sorted by name in byte order, each name once; absent when there are none. */
  readonly xattrs?: readonly Xattr[];
  /** Of sparse files only: in order, not overlapping, within `size`. */
  readonly regions?: readonly TarRegion[];
  /** Where the first header of the entry is in the archive. */
  readonly headerOffset: number;
}
