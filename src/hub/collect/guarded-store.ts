/**
 * The chunk backend of a hub as uploads see it: what is said to be there stays there, also when a collector
 * of this or another hub is about to delete it.
 *
 * A collector deletes only chunks that have been in the catalogue as garbage for the whole grace period. Whoever is told
 * that such a chunk is there begins its period anew; a chunk that is being deleted is not there, and can be put
 * again when that is over. So an upload has the grace period to name, in a flist, what it was told.
 */
import { sleep } from '../../base/deadline.ts';
import { type DeliveringStore, deliver, type OnChunk } from '../../store/deliver.ts';
import type { OpenChunk } from '../../store/directory.ts';
import type { CachedChunk } from '../../store/directory-calls.ts';
import type { ChunkId, ChunkResult, StoreCallOptions } from '../../store/store.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { GARBAGE } from '../catalogue/records.ts';
import type { HubChunkStore } from '../route.ts';

/**
 * A promise that was made this lately is not made again: one upload asks for a chunk several times. So a note may be this
 * much older than the last promise, which the collector takes into account.
 */
export const PROMISE_AGAIN_MS = 1_000;
const POLL_MS = 50;
/** Chunks whose records are written in one commit. */
const PAGE_COUNT = 256;

export class GuardedStore implements HubChunkStore, DeliveringStore {
  readonly name: string;
  readonly openChunk?: (id: ChunkId) => Promise<OpenChunk>;
  readonly openCached?: (id: ChunkId) => CachedChunk | undefined;
  readonly #inner: HubChunkStore;
  readonly #catalogue: Catalogue;
  readonly #onDelete: ((id: ChunkId) => Promise<void>) | undefined;

  /** @param onDelete told of each chunk that the backend has no more */
  constructor(
    inner: HubChunkStore,
    catalogue: Catalogue,
    onDelete?: (id: ChunkId) => Promise<void>,
  ) {
    this.name = inner.name;
    this.#inner = inner;
    this.#catalogue = catalogue;
    this.#onDelete = onDelete;
    if (inner.openChunk !== undefined) this.openChunk = inner.openChunk.bind(inner);
    if (inner.openCached !== undefined) this.openCached = inner.openCached.bind(inner);
  }

  async get(id: ChunkId, options?: StoreCallOptions): Promise<Uint8Array> {
    return await this.#inner.get(id, options);
  }

  getMany(ids: readonly ChunkId[], options?: StoreCallOptions): AsyncIterable<ChunkResult> {
    return this.#inner.getMany(ids, options);
  }

  async deliver(
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<void> {
    await deliver(this.#inner, ids, options, onChunk);
  }

  async missing(ids: readonly ChunkId[], options?: StoreCallOptions): Promise<ChunkId[]> {
    const distinct = [...new Set(ids)];
    const leaving = new Set<ChunkId>();
    // Before the store is asked: what it then says is there can no more be deleted.
    for (let start = 0; start < distinct.length; start += PAGE_COUNT) {
      for (const id of await this.#promise(distinct.slice(start, start + PAGE_COUNT))) {
        leaving.add(id);
      }
    }
    const missing = new Set(await this.#inner.missing(distinct, options));
    return distinct.filter((id) => missing.has(id) || leaving.has(id));
  }

  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    // Until it is deleted, as which it would be taken for present.
    while ((await this.#promise([id], Date.now())).length > 0) {
      await sleep(POLL_MS, options.signal);
    }
    await this.#inner.put(id, bytes, options);
  }

  list(options?: StoreCallOptions): AsyncIterable<ChunkId> {
    return this.#inner.list(options);
  }

  async delete(id: ChunkId, options?: StoreCallOptions): Promise<void> {
    await this.#inner.delete(id, options);
    await this.#onDelete?.(id);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  /**
   * Begins the grace period of those that are garbage anew.
   *
   * @param staleAt take over what a collector should have deleted by then; default: leave it
   * @returns those that are being deleted
   */
  async #promise(ids: readonly ChunkId[], staleAt = Number.NEGATIVE_INFINITY): Promise<ChunkId[]> {
    const keys = ids.map((id) => [id]);
    const found = await this.#catalogue.getMany(GARBAGE, keys);
    const now = Date.now();
    const isUrgent = found.some(
      (record) => record && (record.deleting || record.since < now - PROMISE_AGAIN_MS),
    );
    if (!isUrgent) return [];
    return await this.#catalogue.transaction(async (transaction) => {
      const leaving: ChunkId[] = [];
      await transaction.read(GARBAGE, keys);
      for (const [i, id] of ids.entries()) {
        if (found[i] === undefined) continue;
        const record = await transaction.get(GARBAGE, id);
        // Without a record now: it may have been deleted meanwhile.
        if (record === undefined || (record.deleting && record.deleting.until > staleAt)) {
          leaving.push(id);
        } else {
          transaction.put(GARBAGE, [id], { since: now });
        }
      }
      return leaving;
    });
  }
}
