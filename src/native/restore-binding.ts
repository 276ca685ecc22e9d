import type { ScanBinding, ScannedXattr } from './scan-binding.ts';

/** An entry to make. Regular files are made by {@link RestoreBinding.restoreFile}. */
export interface RestoredEntry {
  /** Only the type bits count: directory, symlink, device, fifo or socket. */
  readonly mode: number;
  /** Symlinks only. */
  readonly target?: Uint8Array | undefined;
  /** Devices only: below 2^12 and 2^20, which is all that Linux has. */
  readonly rdevMajor?: number | undefined;
  readonly rdevMinor?: number | undefined;
}

/** What {@link RestoreBinding.restoreAttributes} sets. */
export interface RestoredAttributes {
  /** Only the permission bits count, setuid, setgid and sticky among them; symlinks have none. */
  readonly mode: number;
  /** 0 to 2^32 - 2; unchanged when absent, for callers that may not give files away. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Seconds since 1970, may be negative; nanoseconds are 0 to 999 999 999. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /**
   * All that the entry shall have: others are removed, but for labels that the system gives by itself.
   * Unchanged when absent.
   */
  readonly xattrs?: readonly ScannedXattr[] | undefined;
}

/**
 * The part of the addon that writes trees, the reverse of {@link ScanBinding}. Paths are those of
 * {@link ScanBinding.scanDirectory}: symlinks below the root are never followed and nothing lands
 * outside it.
 *
 * All calls reject with ERR_CREATE (something is in the way or missing), ERR_PERMISSION,
 * ERR_CACHE_FULL when there is no room, ERR_IO, or ERR_USAGE for a malformed path, with detail `path`.
 */
export interface RestoreBinding {
  /**
   * Makes an entry that only its owner may use until its attributes are set. A directory that is there
   * already is taken; anything else that is there is an error.
   */
  restoreEntry(root: string, path: Uint8Array, entry: RestoredEntry): Promise<void>;
  /**
   * Makes a regular file of `size` zeros, which take no room yet, with mode 0600.
   * @returns a descriptor for writing; close it with `fs.close`
   */
  restoreFile(root: string, path: Uint8Array, size: number): Promise<number>;
  /** Writes at an offset; pages of zeros below the end of the file become or stay holes. */
  writeSparse(fd: number, offset: number, data: Uint8Array): Promise<void>;
  /** Gives `existing`, which is no directory, the further name `path`; arguments as link(2) has them. */
  restoreLink(root: string, existing: Uint8Array, path: Uint8Array): Promise<void>;
  /**
   * Sets owner, xattrs, mode and time, in this order, of an entry of any type; symlinks are not
   * followed. Last of all for a file that was written and a directory whose entries are there.
   */
  restoreAttributes(root: string, path: Uint8Array, attributes: RestoredAttributes): Promise<void>;
}
