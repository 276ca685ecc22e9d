/**
 * Chunks on their way into the cache pools of a route: written behind the reader's back, bounded.
 *
 * A chunk that finds the queue full is not written: it can be had again where it came from. Bytes are
 * checked first, since a cache that holds a wrong chunk serves it to everybody.
 */
import { channel } from 'node:diagnostics_channel';
import { chunkMatches, type DigestFunction } from './chunk-id.ts';
import type { ChunkId, WritableChunkStore } from './store.ts';

// 64 chunks of half a MiB hold 32 MiB; four writers keep up with any network this reads from.
const QUEUE_COUNT_MAX = 64;
const CONCURRENCY = 4;
const CLOSE_TIMEOUT_MS = 2_000;

interface Entry {
  readonly stores: readonly WritableChunkStore[];
  readonly id: ChunkId;
  readonly bytes: Uint8Array;
}

const failedChannel = channel('g8ufs:store:write-back-failed');

export class WriteBack {
  readonly #digest: DigestFunction | undefined;
  readonly #queue: Entry[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(digest: DigestFunction | undefined) {
    this.#digest = digest;
  }

  /** Takes the bytes along; the caller must not change them afterwards. */
  add(stores: readonly WritableChunkStore[], id: ChunkId, bytes: Uint8Array): void {
    if (stores.length === 0 || this.#closing.signal.aborted) return;
    if (this.#queue.length >= QUEUE_COUNT_MAX) return;
    this.#queue.push({ stores, id, bytes });
    this.#startMore();
  }

  /** Resolves when nothing is queued or running. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Finishes what is queued if that is quick, then gives the rest up. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), CLOSE_TIMEOUT_MS);
    await this.settled();
    clearTimeout(timer);
    this.#closing.abort();
  }

  #startMore(): void {
    while (this.#running.size < CONCURRENCY) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      const run = this.#write(entry).finally(() => {
        this.#running.delete(run);
        this.#startMore();
      });
      this.#running.add(run);
    }
  }

  async #write({ stores, id, bytes }: Entry): Promise<void> {
    const { signal } = this.#closing;
    try {
      if (signal.aborted || !(await chunkMatches(id, bytes, this.#digest))) return;
      for (const store of stores) await store.put(id, bytes, { signal });
    } catch (error) {
      // The reader has its chunk; that the cache has not is worth counting, not failing.
      failedChannel.publish({ id, error });
    }
  }
}
