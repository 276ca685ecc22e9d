/** A destination that cannot be used and says why to whoever asks it for a chunk. */
import type { G8Error } from '../base/errors.ts';
import type { ChunkId, ChunkResult, ChunkStore } from './store.ts';

export class UnusableStore implements ChunkStore {
  readonly name: string;
  readonly #error: G8Error;

  constructor(name: string, error: G8Error) {
    this.name = name;
    this.#error = error;
  }

  async get(): Promise<Uint8Array> {
    throw this.#error;
  }

  async *getMany(ids: readonly ChunkId[]): AsyncGenerator<ChunkResult, void, void> {
    for (const id of new Set(ids)) yield { id, error: this.#error };
  }

  async missing(): Promise<ChunkId[]> {
    throw this.#error;
  }

  async close(): Promise<void> {}
}
