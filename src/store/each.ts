/** Many chunks from a store that can only give one at a time. */
import { throwIfAborted } from '../base/abort.ts';
import { mergeParallel } from '../base/parallel.ts';
import type { ChunkId, ChunkResult, StoreCallOptions } from './store.ts';

/**
 * Calls `get` once per distinct id, `concurrency` at a time; failures become results.
 *
 * @throws ERR_ABORTED when the signal aborts: then the rest is of no use to anybody
 */
export async function* getEach(
  ids: readonly ChunkId[],
  concurrency: number,
  options: StoreCallOptions,
  get: (id: ChunkId, options: StoreCallOptions) => Promise<Uint8Array>,
): AsyncGenerator<ChunkResult, void, void> {
  function* tasks() {
    for (const id of new Set(ids)) {
      yield async function* (signal: AbortSignal): AsyncGenerator<ChunkResult> {
        let result: ChunkResult;
        try {
          result = { id, bytes: await get(id, { signal }) };
        } catch (error) {
          throwIfAborted(options.signal);
          result = { id, error };
        }
        yield result;
      };
    }
  }
  yield* mergeParallel<ChunkResult>(tasks(), { concurrency, signal: options.signal });
}

/** The distinct ids for which `has` says no, asked `concurrency` at a time, in the order given. */
export async function missingEach(
  ids: readonly ChunkId[],
  concurrency: number,
  options: StoreCallOptions,
  has: (id: ChunkId, options: StoreCallOptions) => Promise<boolean>,
): Promise<ChunkId[]> {
  const distinct = new Set(ids);
  function* tasks() {
    for (const id of distinct) {
      yield async function* (signal: AbortSignal) {
        yield { id, present: await has(id, { signal }) };
      };
    }
  }
  for await (const { id, present } of mergeParallel(tasks(), {
    concurrency,
    signal: options.signal,
  })) {
    if (present) distinct.delete(id);
  }
  return [...distinct];
}
