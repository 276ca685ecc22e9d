/** One entry as found on disk, with everything an image records of it. */
export interface ScannedEntry {
  readonly name: Uint8Array;
  /** Full `st_mode` with type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly nlink: number;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Seconds since 1970, may be negative; nanoseconds are 0 to 999 999 999. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: number;
  readonly ctimeNanoseconds: number;
  /** Symlink target; absent for all other types. */
  readonly target?: Uint8Array;
  /** Sorted by name in byte order; absent when there are none. */
  readonly xattrs?: readonly ScannedXattr[];
}

export interface ScannedXattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** The part of the addon that reads source trees: paths are bytes, symlinks are never followed. */
export interface ScanBinding {
  /**
   * Entries of one directory without `.` and `..`, sorted by name in byte order. An entry that
   * vanishes meanwhile is left out. `path` is names between single slashes, as in all calls here.
   * @throws ERR_NO_INPUT, ERR_PERMISSION, ERR_IO with detail `path`; ERR_USAGE for a malformed path
   */
  scanDirectory(root: string, path: Uint8Array): Promise<ScannedEntry[]>;
  /** The entry at `path` itself; the empty path is the root. Its `name` is empty. */
  scanEntry(root: string, path: Uint8Array): Promise<ScannedEntry>;
  /**
   * Opens a regular file for reading; close it with `fs.close`.
   * @throws ERR_NO_INPUT also when the path names anything but a regular file
   */
  openBeneath(root: string, path: Uint8Array): Promise<number>;
  /** Offset of the first data byte at or behind `offset`, or -1 when only holes follow. */
  findData(fd: number, offset: number): number;
}
