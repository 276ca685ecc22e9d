/**
 * Many chunks handed over as they come, without a turn of the event loop for each: what `getMany` does for those
 * who take thousands of small chunks a second.
 *
 * No backpressure: the caller asks for no more than it can hold.
 */
import type { ChunkId, ChunkResult, ChunkStore, StoreCallOptions } from './store.ts';

/** Takes one chunk, or why it could not be had. Does not throw. */
export type OnChunk = (result: ChunkResult) => void;

/** A store with a shorter way than `getMany`. */
export interface DeliveringStore extends ChunkStore {
  /** As `getMany`: one result for each id, in any order. */
  deliver(ids: readonly ChunkId[], options: StoreCallOptions, onChunk: OnChunk): Promise<void>;
}

/** Hands each chunk over once, the shortest way that the store has. @throws what `getMany` throws */
export async function deliver(
  store: ChunkStore,
  ids: readonly ChunkId[],
  options: StoreCallOptions,
  onChunk: OnChunk,
): Promise<void> {
  if ('deliver' in store) {
    await (store as DeliveringStore).deliver(ids, options, onChunk);
    return;
  }
  for await (const result of store.getMany(ids, options)) onChunk(result);
}
