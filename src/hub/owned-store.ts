/** The chunk backend in somebody's name: for work that reads and stores chunks on behalf of a user. */
import type { ChunkId, ChunkResult, StoreCallOptions, WritableChunkStore } from '../store/store.ts';
import { visibilityOfChunks } from './access/chunk-access.ts';
import type { Identity } from './access/identity.ts';
import { keepChunk } from './keep-chunk.ts';
import type { HubContext } from './route.ts';

/**
 * What is put belongs to `identity` and counts against its quota; what it may not read is missing. Reading
 * is not bounded: ids come from what it has put, or may read.
 */
export class OwnedStore implements WritableChunkStore {
  readonly name: string;
  readonly #context: HubContext;
  readonly #identity: Identity;

  constructor(context: HubContext, identity: Identity) {
    this.name = context.chunks.name;
    this.#context = context;
    this.#identity = identity;
  }

  async get(id: ChunkId, options?: StoreCallOptions): Promise<Uint8Array> {
    return await this.#context.chunks.get(id, options);
  }

  getMany(ids: readonly ChunkId[], options?: StoreCallOptions): AsyncIterable<ChunkResult> {
    return this.#context.chunks.getMany(ids, options);
  }

  async missing(ids: readonly ChunkId[], options?: StoreCallOptions): Promise<ChunkId[]> {
    const { catalogue, chunks } = this.#context;
    const distinct = [...new Set(ids)];
    const missing = new Set(await chunks.missing(distinct, options));
    const present = distinct.filter((id) => !missing.has(id));
    const seen = await visibilityOfChunks(catalogue, present, async () => this.#identity);
    for (const [i, id] of present.entries()) if (seen[i] === 'hidden') missing.add(id);
    return distinct.filter((id) => missing.has(id));
  }

  async put(id: ChunkId, bytes: Uint8Array): Promise<void> {
    await keepChunk(this.#context, this.#identity, id, bytes);
  }

  /** The backend stays open: it is the hub's. */
  async close(): Promise<void> {}
}
