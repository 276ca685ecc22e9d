/** Chunks in memory, for tests and for programs that build an image and use it at once. */
import { throwIfAborted } from '../base/abort.ts';
import { assertChunkId, missingError } from './chunk-id.ts';
import { getEach } from './each.ts';
import type { ChunkId, ChunkResult, PrunableChunkStore, StoreCallOptions } from './store.ts';

export class MemoryStore implements PrunableChunkStore {
  readonly name: string;
  readonly #chunks = new Map<ChunkId, Uint8Array>();

  constructor(name = 'memory:') {
    this.name = name;
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    const bytes = this.#chunks.get(id);
    if (bytes === undefined) throw missingError(id, this.name);
    return bytes.slice();
  }

  getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    return getEach(ids, 1, options, (id, inner) => this.get(id, inner));
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    throwIfAborted(options.signal);
    return [...new Set(ids)].filter((id) => !this.#chunks.has(id));
  }

  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    if (!this.#chunks.has(id)) this.#chunks.set(id, bytes.slice());
  }

  async *list(options: StoreCallOptions = {}): AsyncGenerator<ChunkId, void, void> {
    for (const id of [...this.#chunks.keys()]) {
      throwIfAborted(options.signal);
      yield id;
    }
  }

  async delete(id: ChunkId, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    this.#chunks.delete(id);
  }

  async close(): Promise<void> {}
}
