import type { EncodedChunk } from './codec-binding.ts';
import type { ScanBinding, ScannedEntry } from './scan-binding.ts';

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
