/**
 * Typed interface of the native addon. Nothing else in the tree knows what the `.node` file exports.
 *
 * Asynchronous calls run on libuv's pool or on the addon's own threads, never on the JS thread. They
 * reject with a `G8Error`, whose class is handed to the addon once by the loader; arguments of the
 * wrong type or outside their limits throw a `TypeError` or `RangeError` at once. Arrays handed over
 * must not be transferred before the call has settled, and descriptors must stay open.
 *
 * The pool has few threads and its calls cannot be cancelled: callers bound how many they queue, and
 * an environment that ends waits for those that run.
 */
import type { Codec, DigestAlgorithm } from '../base/codec.ts';

/** A chunk to encode, from an open file or from memory. */
export type EncodeRequest = EncodeFileRequest | EncodeDataRequest;

interface EncodeParameters {
  readonly codec: Codec;
  /** zstd level, default 3. */
  readonly level?: number;
}

export interface EncodeFileRequest extends EncodeParameters {
  /** Open file to read from. It stays open and its offset is not moved. */
  readonly fd: number;
  readonly offset: number;
  /** Bytes to read, 1 to 4 MiB. Fewer available bytes reject with `ERR_IO` (the file changed). */
  readonly length: number;
}

export interface EncodeDataRequest extends EncodeParameters {
  /** The plain bytes, 1 byte to 4 MiB. They must not change before the call has settled. */
  readonly data: Uint8Array;
}

export interface EncodedChunk {
  /**
   * All bytes are zero: the chunk is a hole and the other fields are empty arrays. Only for zstd:
   * historical readers know no holes.
   */
  readonly hole: boolean;
  readonly plainDigest: Uint8Array;
  readonly id: Uint8Array;
  readonly stored: Uint8Array;
}

export interface DecodeRequest {
  readonly stored: Uint8Array;
  readonly codec: Codec;
  readonly id: Uint8Array;
  readonly plainDigest: Uint8Array;
  /** Exact size of the plain bytes, 1 to 4 MiB. */
  readonly plainSize: number;
}

export interface DecodeToFileRequest extends DecodeRequest {
  readonly fd: number;
  readonly offset: number;
}

/** A content of one chunk that becomes a file of its own. */
export interface PlaceFileRequest extends DecodeRequest {
  /** Absolute; its last two folders are made when they are missing. */
  readonly path: string;
}

export interface VerifyFileRequest {
  readonly fd: number;
  readonly size: number;
  readonly blockSize: number;
  readonly algorithm: DigestAlgorithm;
  /** 32 bytes for each block, zeros for a hole. */
  readonly plainDigests: Uint8Array;
  /** Bit per block (bit i of byte i >> 3): the blocks to check; absent means all. */
  readonly blocks?: Uint8Array;
}

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

/** The part of the addon that packs, unpacks and digests. */
export interface CodecBinding {
  /** BLAKE2b without key; `length` 1 to 64 bytes. For short inputs: it runs on the calling thread. */
  blake2b(data: Uint8Array, length: number): Uint8Array;
  /** BLAKE2b-256 of a whole file, off the JS thread. */
  digestFile(path: string): Promise<Uint8Array>;
  encodeChunk(request: EncodeRequest): Promise<EncodedChunk>;
  /**
   * Verifies id, decodes, verifies the plain digest.
   * @throws ERR_CHUNK_CORRUPT with details `id`, `stage` ('id' | 'decode' | 'digest')
   */
  decodeChunk(request: DecodeRequest): Promise<Uint8Array>;
  /**
   * As {@link decodeChunk}, then writes the plain bytes at `offset`; zero pages below the end of the
   * file become or stay holes. Nothing is written when the chunk is corrupt.
   * @throws ERR_CHUNK_CORRUPT, ERR_CACHE_FULL when there is no room, ERR_IO
   */
  decodeToFile(request: DecodeToFileRequest): Promise<void>;
  /**
   * Verifies, decodes and verifies up to 64 chunks as {@link decodeChunk}, and makes each a sealed
   * file (mode 0444, mtime exactly 1 s). A file that fails leaves nothing behind and is not the
   * others' affair.
   *
   * @returns for each: the bytes that the file takes on its disk, -1 when something is there already,
   *   -2 when the file system has no files without a name (O_TMPFILE), or a `G8Error` (ERR_CHUNK_CORRUPT, ERR_CACHE_FULL, ERR_PERMISSION, ERR_IO)
   */
  placeFiles(requests: readonly PlaceFileRequest[]): Promise<(number | Error)[]>;
  /**
   * Bit per block: set where the file's bytes match the digest (or the block was not asked for). For
   * a large file ask for some blocks at a time.
   */
  verifyFile(request: VerifyFileRequest): Promise<Uint8Array>;
  zstdCompress(data: Uint8Array, level: number): Promise<Uint8Array>;
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

/** A file of at most one block, as it was scanned. */
export interface SmallFile {
  /** Below the root. */
  readonly path: Uint8Array;
  readonly scanned: Pick<
    ScannedEntry,
    'size' | 'ino' | 'mtimeSeconds' | 'mtimeNanoseconds' | 'ctimeSeconds' | 'ctimeNanoseconds'
  >;
}

/** The part of the addon that does with many small things at a time what costs more one by one. */
export interface PackBinding {
  /**
   * Opens, reads, checks and encodes up to 1024 files of 1 byte to 4 MiB, each as one zstd chunk. The
   * digests share one buffer and the stored bytes another.
   *
   * @returns chunks in the order of the files
   * @throws ERR_IO with detail `path` when a file is not, or behind its reading no more, as it was scanned;
   *   as {@link ScanBinding.openBeneath}
   */
  encodeFiles(
    root: string,
    files: readonly SmallFile[],
    options: { readonly level: number },
  ): Promise<EncodedChunk[]>;
  /**
   * As {@link encodeFiles}, and writes the chunks to a chunk directory as {@link writeChunks} does: no bytes
   * of theirs come here.
   *
   * @param options `store`: folder that has a folder `tmp`
   * @returns 72 bytes per file: plain digest, id, stored size (little-endian, 4 bytes), flags (1: a hole, with
   *   everything else zero; 2: the directory did not have the chunk), three zeros
   * @throws as both
   */
  storeFiles(
    root: string,
    files: readonly SmallFile[],
    options: { readonly level: number; readonly store: string; readonly fsync: boolean },
  ): Promise<Uint8Array>;
  /**
   * Looks for up to 1024 chunks in a chunk directory.
   *
   * @param ids lower-case hex
   * @returns a byte per chunk: 1 when it is there; a folder that is not there has none
   * @throws ERR_PERMISSION, ERR_IO
   */
  findChunks(root: string, ids: readonly string[]): Promise<Uint8Array>;
  /**
   * Reads chunks of a chunk directory, in order, until the next would pass `sizeMax` bytes (64 MiB at most); the
   * first is read whatever its size.
   *
   * @param ids lower-case hex, 1024 at most
   * @returns the chunks one behind the other, and the size of each that was looked at: 0 when it cannot be read as a
   *   chunk of at most `chunkSizeMax` bytes
   */
  readChunks(
    root: string,
    ids: readonly string[],
    options: { readonly sizeMax: number; readonly chunkSizeMax: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly sizes: readonly number[] }>;
  /**
   * Opens a chunk of a chunk directory if its name and all its bytes are in the kernel's caches; waits for no device.
   * Whoever gets a descriptor closes it.
   *
   * @returns `undefined` as well when there is no such chunk, it is larger than `sizeMax`, or the kernel cannot tell
   * @throws ERR_USAGE for an id that is none
   */
  openCachedChunk(
    root: string,
    id: string,
    sizeMax: number,
  ): { readonly fd: number; readonly size: number; readonly modifiedMs: number } | undefined;
  /**
   * Sends bytes of an open file into a socket, as many as it takes without waiting; none when they are not in memory.
   *
   * @param socket descriptor of a non-blocking socket to which nothing else is being written
   * @returns how many bytes, 0 to `count`
   * @throws ERR_IO when the peer is gone, or the file is shorter than that
   */
  sendFile(socket: number, fd: number, offset: number, count: number): number;
  /**
   * Writes those of up to 1024 chunks that are not there yet to a chunk directory, each by rename.
   *
   * @param root folder that has a folder `tmp`
   * @param ids lower-case hex
   * @returns a byte per chunk: 1 when it was written, 0 when it was there
   * @throws ERR_NO_INPUT without the folder, ERR_PERMISSION, ERR_CACHE_FULL, ERR_IO
   */
  writeChunks(
    root: string,
    ids: readonly string[],
    stored: readonly Uint8Array[],
    options: { readonly fsync: boolean },
  ): Promise<Uint8Array>;
}

export type StreamKind = 'zstd-decode' | 'xz-decode' | 'zstd-encode';

export interface StreamOptions {
  /** Nothing comes behind this input. Default false. */
  readonly last?: boolean;
  /** Room for output, 1 byte to 16 MiB. */
  readonly outputMax: number;
}

export interface StreamStep {
  /** How much of the input was used up; less than all of it only when the output is full. */
  readonly consumed: number;
  /** At most `outputMax` bytes. */
  readonly output: Uint8Array;
  /** With `last`: everything has been given out. Until then call again with what is left. */
  readonly done: boolean;
}

/** A compressed stream in progress. Its memory is freed by {@link close}, at the latest by the collector. */
export interface NativeStream {
  /**
   * One call at a time; after a rejection the stream is of no more use. Empty input without `last`
   * gives out what is ready, and nothing else.
   *
   * @throws ERR_FLIST_FORMAT when the bytes are broken or cut off, or need a window above 128 MiB
   */
  run(input: Uint8Array, options: StreamOptions): Promise<StreamStep>;
  /** Idempotent. @throws TypeError while a call is running */
  close(): void;
}

/** The part of the addon that compresses and decompresses without an end in sight. */
export interface StreamBinding {
  /**
   * Decoders read frames (streams) that follow each other, skippable ones and padding among them. The
   * encoder writes one frame with a checksum.
   *
   * @param level of `zstd-encode`, 1 to 22, default 3
   */
  openStream(kind: StreamKind, level?: number): NativeStream;
}

/** What files of the cache may be used for; see {@link SessionBinding.trustDisk}. */
export type DiskTrust = 'all' | 'reading' | 'nothing';

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
  closeSession(session: number, options: { lazy: boolean }): Promise<void>;
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
   * a read that fails fails for the reader; `nothing`: all has to be lent.
   */
  trustDisk(trust: DiskTrust): void;
  /** Forgets a content unless it is open or waited for; false when it is in use. */
  contentDrop(digest: Uint8Array): boolean;
  /** Digests (32 bytes each, concatenated) opened since the last call, for the cache's LRU. */
  contentTouched(): Uint8Array;
}

/** An overlay of a metadata image and folders that have contents. */
export interface OverlayMount {
  /** Where the metadata image is mounted. */
  readonly metadata: string;
  /** Folders that have contents by the paths in the metadata, asked in this order. */
  readonly data: readonly string[];
  /** Folder that keeps changes; absent for a read-only mount. */
  readonly upper?: string;
  /** With `upper`: empty folder of the same file system. */
  readonly work?: string;
  /** Source name shown in /proc/mounts. */
  readonly source: string;
  readonly target: string;
}

/** The part of the addon that mounts with the kernel's own file systems. Needs root. */
export interface LayersBinding {
  /**
   * Mounts an EROFS image read-only, straight from its file (Linux 6.12). The kernel trusts what it
   * reads: only for images that were made or verified here.
   *
   * @throws ERR_NO_INPUT, ERR_PERMISSION, ERR_MOUNT with the kernel's reason
   */
  mountImage(image: string, target: string): Promise<void>;
  /** @throws ERR_NO_INPUT, ERR_PERMISSION, ERR_MOUNT with the kernel's reason */
  mountOverlay(options: OverlayMount): Promise<void>;
  /**
   * Unmounts what is on top at a path; no failure when nothing is.
   *
   * @throws ERR_MOUNT when it is busy and not `lazy`; ERR_PERMISSION
   */
  unmountPath(path: string, options: { lazy: boolean }): Promise<void>;
}

/** The part of the addon that knows peers of sockets. */
export interface PeerBinding {
  /** User id of whoever has connected, at that moment, over a Unix socket. @throws ERR_IO for what is none */
  peerUser(fd: number): number;
}

/** What a keeper has of a mount whose daemon is gone. */
export interface HeldEntry {
  readonly id: number;
  /** How often a daemon has begun to restore it since that last succeeded. */
  readonly attempts: number;
  /** The connection to the kernel is there: `openSession` can adopt it. */
  readonly hasDevice: boolean;
  /** What was handed over as `state`. */
  readonly state: string;
}

/**
 * The keeper of this process's mounts (`g8ufs-keeper`): a small process that holds what they need to outlive
 * the daemon, and starts its successor. Calls take microseconds, and 5 s when the keeper hangs.
 */
export interface KeeperBinding {
  /**
   * Connects to the keeper that listens at a path, as the only daemon it has.
   *
   * @returns what it holds; `undefined` when no keeper listens there
   * @throws ERR_CACHE_LOCKED while another daemon is connected; ERR_PERMISSION, ERR_IO
   */
  keeperConnect(path: string): Promise<HeldEntry[] | undefined>;
  /**
   * Lets the keeper hold a mount from now on, or takes over another state.
   *
   * @param state without NUL, 2 MiB at most; it never reaches a disk
   * @param session its connection; absent: the state alone
   * @throws ERR_MOUNT when the session is not kept; ERR_IO when the keeper is gone
   */
  keeperHold(id: number, state: string, session?: number): Promise<void>;
  /** Lets go of a mount's connection, which ends unless this process has it, and keeps the state. */
  keeperGiveUp(id: number, state: string): Promise<void>;
  /**
   * `drop`: nothing of the mount is held any more. `restoring`, `restored`: see {@link HeldEntry.attempts}.
   * `ready`: all that could be restored is. `goodbye`: lets go of everything. `handover`: another daemon comes
   * when this process has ended.
   *
   * @throws ERR_IO when the keeper is gone
   */
  keeperTell(
    what: 'drop' | 'restoring' | 'restored' | 'ready' | 'goodbye' | 'handover',
    id?: number,
  ): Promise<void>;
  /** How a successor is started: its program (an absolute path) and arguments, and `NAME=value` texts. */
  keeperSuccessor(argv: readonly string[], environment: readonly string[]): Promise<void>;
}

export interface Addon
  extends CodecBinding,
    ScanBinding,
    PackBinding,
    LayersBinding,
    PeerBinding,
    RestoreBinding,
    StreamBinding,
    SessionBinding,
    KeeperBinding {
  /** The closed list of error codes the addon can raise; equals the keys of `CODES`. */
  readonly errorCodes: readonly string[];
  /** Hands over the error class. Called once by the loader. */
  initialize(errorClass: unknown): void;
}
