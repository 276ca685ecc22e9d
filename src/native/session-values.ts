/** What goes in and out of the calls of `SessionBinding`. */

/** What files of the cache may be used for; see {@link SessionBinding.trustDisk}. */
export type DiskTrust = 'all' | 'reading' | 'nothing' | 'away';

/** What a mount needs from JS: blocks of a content that are not in its partial file yet. */
export interface Need {
  /** Number of the session that asks. */
  readonly session: number;
  /** Row of the content table of that session's mount index. */
  readonly content: number;
  /** First block needed and how many; count 0 asks only for the content to be attached. */
  readonly block: number;
  readonly count: number;
  /** The request that waits first: its inode, 0 when none does. */
  readonly nid: number;
  /** Its range in the file; `size` 0 when it is an open and no read. */
  readonly offset: number;
  readonly size: number;
  /** For how long it has waited already. */
  readonly waitedMs: number;
  /** Number of {@link SessionBinding.addImage} whose table it is; nothing in the session of one image. */
  readonly image?: number;
  /** The content's file could not be read: its blocks have to be lent ({@link SessionBinding.contentLend}). */
  readonly broken?: boolean;
  /** Only because the disk does not answer. */
  readonly away?: boolean;
}

/** A file that was opened while somebody watches. */
export interface OpenedFile {
  readonly nid: number;
  /** Its content was all in the cache. */
  readonly complete: boolean;
  readonly agoMs: number;
}

/**
 * `passthrough` hands complete files to the kernel (Linux 6.9, root, cache on a plain file system) and
 * serves opens itself where that cannot be had. `none` ends OPEN for the mount: best for small
 * files that are opened again and again. `auto` is `passthrough` where it can be had, else `none`.
 */
export type OpenMode = 'passthrough' | 'none' | 'auto';

export interface SessionOptions {
  readonly mountPoint: string;
  /**
   * Directory with `mount.erofs`, `mount.contents`, `mount.chunks` of the image that is shown. Absent: the
   * mount has the contents of all images that are added, as `/aa/bb/<digest>`, for overlays to look into.
   */
  readonly indexDir?: string;
  /** Directory of complete content files, `aa/bb/<digest>` below it. */
  readonly filesDir: string;
  /** Source name shown in /proc/mounts. */
  readonly source: string;
  readonly allowOther: boolean;
  readonly openMode: OpenMode;
  /** Threads that serve requests, 1 to 16. */
  readonly workers: number;
  /** A request that waits longer for data is answered with EIO. */
  readonly deadlineMs: number;
  /** Readahead of the mount in bytes. */
  readonly readaheadBytes: number;
  /**
   * Contents of at most this many blocks are made complete before their open is answered, so that
   * they can be passed through; ignored where nothing is.
   */
  readonly wholeBlocksMax: number;
  /**
   * Notes which blocks are wanted, in the order of the first time. All reads then come to the driver, at the
   * cost of passthrough, and opens of contents of at most {@link wholeBlocksMax} blocks count as reads.
   */
  readonly recordTouches?: boolean;
  /** Directory in which the cache fills files, to look at when asked for `user.g8ufs.local`. */
  readonly partialDir?: string;
  /**
   * Whether xattrs named `user.g8ufs.*` tell what the driver knows of a file. `auto`, the default: where
   * the image has xattrs; elsewhere the kernel is told that there are none and never asks again.
   */
  readonly magicXattrs?: 'off' | 'auto' | 'on';
  /** The mount shall outlive this process; see {@link KeeperBinding.keeperHold}. */
  readonly keep?: boolean;
  /**
   * Goes on with a mount of {@link KeeperBinding.keeperConnect} instead of making one. `mountPoint`,
   * `source`, `allowOther`, `openMode` and `readaheadBytes` are what they were; nothing is unmounted when
   * it fails.
   */
  readonly adopt?: number;
  /** With {@link adopt}: nothing is served before {@link SessionBinding.resumeSession}. */
  readonly paused?: boolean;
}

export interface SessionStats {
  /** Requests taken, by FUSE operation name in lower case (`lookup`, `read`, …); only those above 0. */
  readonly requests: Readonly<Record<string, number>>;
  /** Answers that mean trouble (EIO, ENOSPC, …), not those that belong to the protocol (ENODATA, …). */
  readonly errors: number;
  readonly openFiles: number;
  readonly passthroughOpens: number;
  readonly cachedOpens: number;
  /** Bytes that went through the driver; those passed through are not seen. */
  readonly bytesRead: number;
  /** Requests that had to wait for data so far. */
  readonly waits: number;
  /** Reads of the cache's files that failed; the readers were served all the same. */
  readonly readFailures: number;
  /** Requests that now wait for data, and the age of the oldest. */
  readonly waiting: number;
  readonly oldestWaitMs: number;
  readonly deadlinesMissed: number;
  /** Waits that ended because the waiting program was interrupted. */
  readonly interrupts: number;
}

export interface SessionInfo {
  readonly protocolMajor: number;
  readonly protocolMinor: number;
  /** Complete files are read by the kernel itself. */
  readonly passthrough: boolean;
  /** `none` when OPEN is not served; else `passthrough`, even where {@link passthrough} is false. */
  readonly openMode: 'passthrough' | 'none';
  readonly maxReadBytes: number;
  /** Minor device number of the mount: names it under /sys/fs/fuse/connections. */
  readonly device: number;
  /** It was opened with {@link SessionOptions.keep}, and the kernel can send requests again (Linux 6.9). */
  readonly kept: boolean;
}

export interface OpenedSession {
  readonly session: number;
  readonly info: SessionInfo;
  /**
   * With {@link SessionOptions.recordTouches}: pairs of a row of the content table and a block, in the order of
   * the first touch, a million at most. May be called after the end of the session.
   */
  readonly touches?: () => Uint32Array;
}
