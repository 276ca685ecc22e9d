/** The part of the addon that serves mounts, and the contents that they share. */
import type {
  DiskTrust,
  Need,
  OpenedFile,
  OpenedSession,
  SessionOptions,
  SessionStats,
} from './session-values.ts';

export interface CloseOptions {
  readonly lazy: boolean;
  /** Only the connection ends: users of the mount get errors, and it is still to be unmounted. Default false. */
  readonly leaveMounted?: boolean;
}

export interface SessionBinding {
  /**
   * Mounts, handshakes and starts serving; resolves when the mount answers.
   *
   * @param onNeed called on the JS thread for blocks that are absent, perhaps before the promise is
   *   resolved. While anybody waits for a block it is asked for once, until {@link contentPresent},
   *   {@link contentAttach}, {@link contentComplete} or {@link contentFail} resolves it.
   * @param onEnd called once when the connection has ended, for whatever reason ({@link closeSession}
   *   included). Until then the session keeps the process running.
   * @throws ERR_NO_FUSE (also: no fusermount3), ERR_MOUNT, ERR_FLIST_FORMAT, ERR_FLIST_VERSION,
   *   ERR_NO_INPUT (mount point, index or files directory), ERR_PERMISSION
   */
  openSession(
    options: SessionOptions,
    onNeed: (need: Need) => void,
    onEnd: () => void,
  ): Promise<OpenedSession>;
  /** Begins to serve a session that was adopted paused. Once. @throws ERR_MOUNT when it has ended */
  resumeSession(session: number): Promise<void>;
  /**
   * Unmounts. Resolves when all threads are joined, or, for a busy mount and `lazy`, when it is
   * detached: files that are open are then served until they are closed, and `onEnd` follows.
   * Idempotent; numbers that are no session resolve. Sessions that are left when the environment or
   * the process ends are detached and aborted.
   *
   * @throws ERR_MOUNT when the mount is busy and not `lazy`; the session goes on
   */
  closeSession(session: number, options: CloseOptions): Promise<void>;
  /** Contents that readers wait for now, as pairs of image (0 where a session has one) and row; none after the end. */
  sessionWaits(session: number): Uint32Array;
  /**
   * The numbers stay after the end, until {@link closeSession}.
   *
   * @throws RangeError for a number that is no session
   */
  sessionStats(session: number): SessionStats;
  /**
   * Files that were opened since the last call, each once. The first call begins to watch, one without
   * `watch` ends it; in between look several times a second, or some are missed.
   *
   * @throws RangeError for a number that is no session
   */
  sessionOpens(session: number, watch: boolean): OpenedFile[];

  /**
   * Lets a session that was opened without `indexDir` give the contents of an image. Costs the same for
   * any number of them.
   *
   * @returns the image's number in {@link Need}
   * @throws ERR_FLIST_FORMAT (also when it contradicts an image that is mounted), ERR_FLIST_VERSION,
   *   ERR_NO_INPUT, ERR_MOUNT when the session has ended
   */
  addImage(session: number, indexDir: string): Promise<number>;
  /** Nobody reads the image's contents any more. Unknown numbers are ignored. */
  removeImage(session: number, image: number): void;

  /**
   * Hands a partial content file over. The addon duplicates the descriptor.
   * Contents are shared by all sessions of the process and named by digest. The same file may be
   * handed over again: blocks are only ever added.
   *
   * @param file `fd` is open for reading and the file has its full `size` already; holes read as zeros;
   *   `present` has a bit per block (bit i of byte i >> 3)
   * @throws ERR_IO when the file is shorter, or while another file of this content is in use
   */
  contentAttach(
    digest: Uint8Array,
    file: { fd: number; size: number; blockSize: number; present: Uint8Array },
  ): void;
  /**
   * Verified blocks are in the attached file now: answers whoever waits for them. Contents that
   * nobody knows are ignored, here and below: their last user may just have gone.
   */
  contentPresent(digest: Uint8Array, block: number, count: number): void;
  /**
   * The complete, sealed file is in `filesDir` (mtime exactly 1 s, size right): ends all waits for the
   * content, and the next first open uses it. It need not be the file that was attached.
   */
  contentComplete(digest: Uint8Array): void;
  /**
   * Ends the waits for these blocks (`count` 0: all waits for the content) with EIO, ENOENT, ENOSPC,
   * EACCES or EINTR; any other name counts as EIO. The next reader asks again.
   */
  contentFail(digest: Uint8Array, block: number, count: number, errno: string): void;
  /**
   * Serves a block from memory that is not on disk: verified plain bytes, all of the block. Nothing
   * happens when nobody has the content open. What is lent longest goes beyond 64 MiB of all
   * contents, and is asked for again.
   *
   * @throws RangeError when the content has no such block, or one of another size
   */
  contentLend(digest: Uint8Array, block: number, bytes: Uint8Array): void;
  /**
   * What files of the cache are used for: `all` (the default); `reading`: by the driver and not by the kernel, where
   * a read that fails fails for the reader; `nothing`: all has to be lent, also of what is open now, until it is
   * closed; `away`: all has to be lent until something else is said.
   */
  trustDisk(trust: DiskTrust): void;
  /** The driver has found by itself that the disk does not answer, or was told so: it uses files like `away`. */
  isDiskAway(): boolean;
  /** Forgets a content unless it is open or waited for; false when it is in use. */
  contentDrop(digest: Uint8Array): boolean;
  /** Digests (32 bytes each, concatenated) opened since the last call, for the cache's LRU. */
  contentTouched(): Uint8Array;
}
