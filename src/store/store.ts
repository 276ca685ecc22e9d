/**
 * The store ladder: what a chunk store can do, in three rungs. Functions ask for the lowest rung that
 * serves them. Backends are one file each; behaviour (retry, route, failover) is a wrapper around
 * this same interface.
 */

/** Lower-case hex of a chunk id: 64 characters, or 32 for legacy G2/G3 chunks. */
export type ChunkId = string;

export interface StoreCallOptions {
  /** Aborts the call; it then rejects with `ERR_ABORTED` or the signal's own `G8Error`. */
  readonly signal?: AbortSignal;
  /** Told by a store of several which of them is asked for which chunks. */
  readonly onAsk?: ((store: string, ids: readonly ChunkId[]) => void) | undefined;
  /**
   * A store of several checks chunks against their ids, and asks the next one for what is wrong: for whoever has
   * got a corrupt chunk already. Others ignore it.
   */
  readonly verify?: boolean | undefined;
}

/**
 * Reads chunks. A store returns bytes as they came: whoever uses them verifies them.
 *
 * All methods may be called at the same time. Errors: `ERR_CHUNK_MISSING` is permanent (the store
 * answered and does not have it), `ERR_STORE_UNAVAILABLE`, `ERR_HOST_UNKNOWN` and `ERR_TIMEOUT` may pass.
 */
export interface ChunkStore {
  /** URL for messages, without credentials. */
  readonly name: string;
  /** Many chunks come for one request, as far as is known by now. Default false. */
  readonly takesBatches?: boolean;
  /** @throws ERR_CHUNK_MISSING when the store does not have the chunk */
  get(id: ChunkId, options?: StoreCallOptions): Promise<Uint8Array>;
  /**
   * Many chunks, in few requests where the store can; one item per id, in any order. A chunk that
   * could not be had arrives as an error and does not end the others.
   */
  getMany(ids: readonly ChunkId[], options?: StoreCallOptions): AsyncIterable<ChunkResult>;
  /** The ids that the store does not have. */
  missing(ids: readonly ChunkId[], options?: StoreCallOptions): Promise<ChunkId[]>;
  close(): Promise<void>;
}

export type ChunkResult =
  | { readonly id: ChunkId; readonly bytes: Uint8Array }
  | { readonly id: ChunkId; readonly error: unknown };

/** A store that takes chunks. Putting a chunk that is there already is not an error. */
export interface WritableChunkStore extends ChunkStore {
  put(id: ChunkId, bytes: Uint8Array, options?: StoreCallOptions): Promise<void>;
}

/** A store for which taking many chunks in one call is cheaper than asking and putting one by one. */
export interface BulkChunkStore extends WritableChunkStore {
  /** @returns the ids that the store did not have */
  putMany(chunks: ReadonlyMap<ChunkId, Uint8Array>, options?: StoreCallOptions): Promise<ChunkId[]>;
}

/** Whether the store is a {@link BulkChunkStore}. */
export function isBulkStore(store: WritableChunkStore): store is BulkChunkStore {
  return 'putMany' in store && store.putMany !== undefined;
}

/** A store whose chunks lie in a folder of this machine, into which others may write them as it does. */
export interface FolderChunkStore extends WritableChunkStore {
  /** The folder, which is there from then on. */
  chunkFolder(): Promise<ChunkFolder>;
}

export interface ChunkFolder {
  readonly path: string;
  /** Each chunk and its name are to be flushed to the device. */
  readonly fsync: boolean;
}

/** Whether the store is a {@link FolderChunkStore}. */
export function isFolderStore(store: WritableChunkStore): store is FolderChunkStore {
  return 'chunkFolder' in store;
}

/** A store whose chunks can be listed and deleted. */
export interface PrunableChunkStore extends WritableChunkStore {
  list(options?: StoreCallOptions): AsyncIterable<ChunkId>;
  delete(id: ChunkId, options?: StoreCallOptions): Promise<void>;
}

/** A stored chunk's size bound: 4 MiB of plain bytes and the worst case of a codec on top. */
export const CHUNK_SIZE_MAX = 5 * 1024 * 1024;
