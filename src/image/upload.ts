/**
 * Brings chunks into a store: asks in batches which ones it lacks, then puts those, a few at a time. Each
 * id is dealt with once, however often it is added. What is held in memory is bounded: {@link
 * Uploader.add} makes the producer wait.
 *
 * For one event loop. The first failure ends everything; every later call throws it again.
 */

import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { forEachParallel } from '../base/workers.ts';
import type { Chunk } from '../format/content.ts';
import { type ChunkId, isBulkStore, type WritableChunkStore } from '../store/store.ts';

/** Ids in one question: one answer then saves up to 256 uploads, and fits every hub's request limit. */
const BATCH_COUNT_MAX = 256;
const BATCH_SIZE_MAX = 8 * 1024 * 1024;
/** One batch is asked about while others are put; with the collecting one about 32 MiB in memory. */
const BATCHES_MAX = 3;
const PUTS_MAX = 8;

export interface UploadCounts {
  /** Different chunks. */
  readonly chunks: number;
  /** Those the store did not have. */
  readonly newChunks: number;
  /** Their stored bytes. */
  readonly uploadedBytes: number;
  /** Stored bytes of all different chunks. */
  readonly storedBytes: number;
}

export class Uploader {
  readonly #store: WritableChunkStore;
  readonly #signal: AbortSignal | undefined;
  /** Chunks that were dealt with: whether the store did not have them. */
  readonly #seen = new Map<ChunkId, boolean>();
  readonly #running = new Set<Promise<void>>();
  #batch = new Map<ChunkId, Uint8Array>();
  #batchSize = 0;
  #failure: { error: unknown } | undefined;
  #newChunks = 0;
  #uploadedBytes = 0;
  #storedBytes = 0;

  constructor(store: WritableChunkStore, signal?: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  get counts(): UploadCounts {
    return {
      chunks: this.#seen.size,
      newChunks: this.#newChunks,
      uploadedBytes: this.#uploadedBytes,
      storedBytes: this.#storedBytes,
    };
  }

  /** Takes a chunk; resolves when there is room for the next one. */
  async add(id: Uint8Array, stored: Uint8Array): Promise<void> {
    this.#check();
    const name = toHex(id);
    if (this.#seen.has(name)) return;
    this.#seen.set(name, false);
    this.#storedBytes += stored.length;
    this.#batch.set(name, stored);
    this.#batchSize += stored.length;
    if (this.#batch.size >= BATCH_COUNT_MAX || this.#batchSize >= BATCH_SIZE_MAX) this.#send();
    while (this.#running.size >= BATCHES_MAX) {
      await Promise.race(this.#running);
      this.#check();
    }
  }

  /**
   * Asks for chunks that exist already. Those that the store has are dealt with.
   *
   * @param chunks holes among them are passed over
   * @returns the ids of the others, which are to be added
   */
  async claim(chunks: Iterable<Chunk>): Promise<Set<ChunkId>> {
    const unknown = new Map<ChunkId, number>();
    for (const { id, storedSize } of chunks) {
      const name = toHex(id);
      if (name !== '' && !this.#seen.has(name)) unknown.set(name, storedSize);
    }
    const missing = new Set<ChunkId>();
    const ids = [...unknown.keys()];
    const batches = Array.from({ length: Math.ceil(ids.length / BATCH_COUNT_MAX) }, (_, i) =>
      ids.slice(i * BATCH_COUNT_MAX, (i + 1) * BATCH_COUNT_MAX),
    );
    const options = this.#signal === undefined ? {} : { signal: this.#signal };
    const work = { concurrency: BATCHES_MAX, signal: this.#signal };
    await forEachParallel(batches, work, async (batch) => {
      for (const id of await this.#store.missing(batch, options)) missing.add(id);
    });
    for (const [name, storedSize] of unknown) {
      if (missing.has(name) || this.#seen.has(name)) continue;
      this.#seen.set(name, false);
      this.#storedBytes += storedSize;
    }
    return missing;
  }

  /** Counts a chunk that somebody else brought into the store; `isNew` says that it was not there. */
  note(id: Uint8Array, storedSize: number, isNew: boolean): void {
    const name = toHex(id);
    if (!this.#seen.has(name)) {
      this.#seen.set(name, false);
      this.#storedBytes += storedSize;
    }
    if (isNew) this.#countNew(name, storedSize);
  }

  /** Sends the rest and waits until the store has everything. */
  async finish(): Promise<void> {
    this.#send();
    await this.settle();
    this.#check();
  }

  /** Waits until nothing is in progress any more, whatever came of it. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    throwIfAborted(this.#signal);
  }

  #send(): void {
    if (this.#batch.size === 0) return;
    const batch = this.#batch;
    this.#batch = new Map();
    this.#batchSize = 0;
    const running = this.#upload(batch)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #upload(batch: ReadonlyMap<ChunkId, Uint8Array>): Promise<void> {
    const options = this.#signal === undefined ? {} : { signal: this.#signal };
    if (isBulkStore(this.#store)) {
      for (const id of await this.#store.putMany(batch, options)) this.#count(batch, id);
      return;
    }
    const missing = await this.#store.missing([...batch.keys()], options);
    const work = { concurrency: PUTS_MAX, signal: this.#signal };
    await forEachParallel(missing, work, async (id) => {
      const stored = batch.get(id);
      if (stored === undefined) throw this.#notAsked();
      await this.#store.put(id, stored, options);
      this.#count(batch, id);
    });
  }

  #count(batch: ReadonlyMap<ChunkId, Uint8Array>, id: ChunkId): void {
    const stored = batch.get(id);
    if (stored === undefined) throw this.#notAsked();
    this.#countNew(id, stored.length);
  }

  /** Two that write the same chunk at the same time may both say that it was not there. */
  #countNew(id: ChunkId, storedSize: number): void {
    if (this.#seen.get(id) === true) return;
    this.#seen.set(id, true);
    this.#newChunks++;
    this.#uploadedBytes += storedSize;
  }

  #notAsked(): G8Error {
    return new G8Error('ERR_PROTOCOL', `${this.#store.name} lacks a chunk that nobody asked for`);
  }
}
