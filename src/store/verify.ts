/**
 * A store whose chunks are checked against their ids as they come.
 *
 * Readers verify every chunk anyway, when they decode it. What this adds is the place: a route with
 * several destinations takes the next one when the first gives bytes that are not the chunk's.
 */
import { chunkMatches, corruptError, type DigestFunction } from './chunk-id.ts';
import type {
  ChunkId,
  ChunkResult,
  ChunkStore,
  StoreCallOptions,
  WritableChunkStore,
} from './store.ts';

/** The store with checks. Writing is offered when the store offers it. */
export function withVerify(
  store: ChunkStore | WritableChunkStore,
  digest: DigestFunction,
): ChunkStore {
  return 'put' in store
    ? new WritableVerifyStore(store, digest)
    : new VerifyStore<ChunkStore>(store, digest);
}

class VerifyStore<S extends ChunkStore> implements ChunkStore {
  readonly name: string;
  protected readonly store: S;
  readonly #digest: DigestFunction;

  constructor(store: S, digest: DigestFunction) {
    this.name = store.name;
    this.store = store;
    this.#digest = digest;
  }

  /** @throws ERR_CHUNK_CORRUPT when the bytes are not those of the id */
  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    return await this.#verified(id, await this.store.get(id, options));
  }

  async *getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    for await (const result of this.store.getMany(ids, options)) {
      if ('error' in result) {
        yield result;
        continue;
      }
      const { id, bytes } = result;
      yield await this.#verified(id, bytes).then(
        () => result,
        (error: unknown) => ({ id, error }),
      );
    }
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    return await this.store.missing(ids, options);
  }

  async close(): Promise<void> {
    await this.store.close();
  }

  async #verified(id: ChunkId, bytes: Uint8Array): Promise<Uint8Array> {
    if (await chunkMatches(id, bytes, this.#digest)) return bytes;
    throw corruptError(id, this.name, 'does not match its id');
  }
}

class WritableVerifyStore extends VerifyStore<WritableChunkStore> implements WritableChunkStore {
  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    await this.store.put(id, bytes, options);
  }
}
