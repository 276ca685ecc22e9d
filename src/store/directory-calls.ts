/** What a directory of chunks may hand to native code: many files in one call, or one without a wait. */
import type { ChunkId } from './store.ts';

/** Each is optional: without it a call of Node for each step does the same. */
export interface DirectoryCalls {
  /** Writes many chunks in one call; without it each takes a dozen. */
  readonly writeChunks?: WriteChunks | undefined;
  /** Looks for many chunks in one call. */
  readonly findChunks?: FindChunks | undefined;
  /** Reads many chunks in one call. */
  readonly readChunks?: ReadChunks | undefined;
  /** Opens a chunk that is in memory, at once. */
  readonly openCachedChunk?: OpenCachedChunk | undefined;
}

/**
 * Writes those chunks that are not in a directory yet; it exists and has the folder for temporary files.
 *
 * @returns a byte per chunk: 1 when it was written
 */
export type WriteChunks = (
  root: string,
  ids: readonly ChunkId[],
  stored: readonly Uint8Array[],
  options: { readonly fsync: boolean },
) => Promise<Uint8Array>;

/** Looks for chunks in a directory; a byte per chunk: 1 when it is there. */
export type FindChunks = (root: string, ids: readonly ChunkId[]) => Promise<Uint8Array>;

/** Reads chunks of a directory up to `sizeMax` bytes; size 0 for one that has to be asked for alone. */
export type ReadChunks = (
  root: string,
  ids: readonly ChunkId[],
  options: { readonly sizeMax: number; readonly chunkSizeMax: number },
) => Promise<{ readonly bytes: Uint8Array; readonly sizes: readonly number[] }>;

/** Opens a chunk whose name and bytes are in the kernel's caches, without waiting for a device. */
export type OpenCachedChunk = (
  root: string,
  id: ChunkId,
  sizeMax: number,
) => CachedChunk | undefined;

/** A chunk that is open and in memory. Whoever gets one closes the descriptor. */
export interface CachedChunk {
  readonly fd: number;
  readonly size: number;
  readonly modifiedMs: number;
}
