/**
 * Contents of one chunk that the cache has nothing of, which most files are: fetched, and made a sealed file in its
 * place by one native call, without a partial file before it. What does not fit this path is left to `fill.ts`.
 *
 * The record is written while the chunk is on its way and is with the kernel before the file is made, so that a file
 * in its place is never unknown (docs/decisions/0004-cache-sealed-files.md).
 *
 * Concurrency: one landing per content, shared by all callers, who wait here and not for the content's lock. The file
 * is made under that lock.
 */
import { createAbortController } from '../base/abort.ts';
import { equalBytes, toHex } from '../base/bytes.ts';
import { CODEC, DIGEST } from '../base/codec.ts';
import { isG8Error } from '../base/errors.ts';
import { type Flight, SingleFlight } from '../base/singleflight.ts';
import type { Trail } from '../base/trail.ts';
import type { Chunk } from '../format/content.ts';
import { type ContentRef, isZero } from './content.ts';
import type { Evictor } from './evict.ts';
import { type ChunkFetcher, PRIORITY } from './fetch.ts';
import type { FillOptions } from './fill.ts';
import type { CacheParts } from './parts.ts';
import { PLACE_EXISTS, PLACE_UNSUPPORTED, Placer } from './place.ts';
import { DIGEST_SIZE } from './records.ts';
import type { Recovery } from './recover.ts';

/** Landings of other callers that a call waits for in turn before it gives up. */
const FOLLOW_COUNT_MAX = 8;
/** File systems give room in these, nearly all of them. */
const ALLOCATION_BYTES = 4096;

export interface LanderOptions {
  readonly parts: CacheParts;
  readonly evictor: Evictor;
  readonly fetcher: ChunkFetcher;
  readonly recovery: Recovery;
  /** A content became complete and is not durable yet. */
  readonly onComplete: () => void;
}

interface Landing {
  readonly key: string;
  readonly ref: ContentRef;
  readonly chunk: Chunk;
  readonly options: FillOptions & { readonly signal: AbortSignal };
}

export class Lander {
  readonly #parts: CacheParts;
  readonly #evictor: Evictor;
  readonly #fetcher: ChunkFetcher;
  readonly #recovery: Recovery;
  readonly #onComplete: () => void;
  readonly #placer: Placer;
  readonly #flights = new SingleFlight<boolean>();
  readonly #running = new Set<Promise<void>>();
  /** The cache's file system cannot do it. */
  #isUnsupported = false;

  constructor({ parts, evictor, fetcher, recovery, onComplete }: LanderOptions) {
    this.#parts = parts;
    this.#evictor = evictor;
    this.#fetcher = fetcher;
    this.#recovery = recovery;
    this.#onComplete = onComplete;
    this.#placer = new Placer(parts.addon);
  }

  /** Waits for the landings that run. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /**
   * Makes a content complete, if it is one for this path.
   *
   * @returns true when its file is in its place; false when attach and fill have to do it
   * @throws as `ContentCache.fill`
   */
  async land(ref: ContentRef, options: FillOptions): Promise<boolean> {
    const { store, priority, signal } = options;
    const key = toHex(ref.digest);
    for (let turn = 0; ; turn++) {
      const current = this.#flights.find(key);
      if (current === undefined) return await this.#lead(key, ref, options);
      current.raise?.(PRIORITY[priority]);
      options.watcher?.onBlock?.(0, current.trail);
      try {
        return await current.wait(signal);
      } catch (error) {
        // The leader's store failed; ours may do better.
        const isFinal = current.owner === store && !isG8Error(error, 'ERR_ABORTED');
        if (isFinal || signal?.aborted || turn === FOLLOW_COUNT_MAX) throw error;
      }
    }
  }

  /** Whether it is on its way: its record says complete before its file is there. */
  isLanding(key: string): boolean {
    return this.#flights.find(key) !== undefined;
  }

  /** Whether {@link land} would fetch it. */
  async fits(ref: ContentRef): Promise<boolean> {
    const chunk = this.#fittingChunk(toHex(ref.digest), ref);
    return chunk !== undefined && (await this.#parts.catalog.find(ref.digest)) === undefined;
  }

  async #lead(key: string, ref: ContentRef, options: FillOptions): Promise<boolean> {
    const chunk = this.#fittingChunk(key, ref);
    if (chunk === undefined) return false;
    const { closing } = this.#parts;
    const abandoned = createAbortController();
    const flight = this.#flights.lead(key, options.store, () => abandoned.abort());
    flight.trail.chunk = toHex(chunk.id);
    options.watcher?.onBlock?.(0, flight.trail);
    flight.raise = (priority) => this.#fetcher.raise(toHex(chunk.id), priority);
    const onClosing = (): void => {
      flight.reject(closing.reason);
      abandoned.abort(closing.reason);
    };
    closing.addEventListener('abort', onClosing, { once: true });
    const landing = { key, ref, chunk, options: { ...options, signal: abandoned.signal } };
    const running = this.#run(landing, flight).finally(() => {
      closing.removeEventListener('abort', onClosing);
      this.#running.delete(running);
    });
    this.#running.add(running);
    return await flight.wait(options.signal);
  }

  // The chunk of a content that is its only chunk and named by it, and of which nothing is here.
  #fittingChunk(key: string, ref: ContentRef): Chunk | undefined {
    const { lock, partials } = this.#parts;
    const isOne = ref.chunkCount === 1 && ref.size <= ref.blockSize;
    if (!isOne || ref.algorithm !== DIGEST.blake2b256) return undefined;
    if (this.#isUnsupported || this.#recovery.active) return undefined;
    if (partials.find(key) !== undefined || lock.isHeld(key)) return undefined;
    const chunk = ref.chunk(0);
    const { codec, id, plainDigest } = chunk;
    const isOwn = codec === CODEC.zstd && equalBytes(plainDigest, ref.digest);
    return isOwn && id.length === DIGEST_SIZE && !isZero(id) ? chunk : undefined;
  }

  // Settles the flight; never throws.
  async #run(landing: Landing, flight: Flight<boolean>): Promise<void> {
    const { ref, options } = landing;
    const { catalog, state } = this.#parts;
    flight.trail.enter('disk');
    try {
      await state.throttle();
      const isKnown = (await catalog.find(ref.digest)) !== undefined;
      const [source] = isKnown ? [] : await catalog.findSources(ref.algorithm, [ref.digest]);
      if (isKnown || source !== undefined) return flight.resolve(false);
      const giveBack = await this.#evictor.admit(ref.size, options.priority);
      try {
        flight.resolve(await this.#fetchAndPlace(landing, flight.trail));
      } finally {
        giveBack();
      }
    } catch (error) {
      flight.reject(error);
    }
  }

  async #fetchAndPlace(landing: Landing, trail: Trail): Promise<boolean> {
    const { ref, chunk, options } = landing;
    const { catalog, counters, state } = this.#parts;
    await catalog.settleRemoval(ref.digest);
    await this.#record(ref, estimate(ref.size));
    const recorded = state.flush();
    recorded.catch(() => {});
    counters.misses++;
    let outcome: { readonly placed: boolean } | { readonly error: unknown } | undefined;
    await this.#fetcher.fetch(
      [{ id: toHex(chunk.id), size: ref.size }],
      {
        onLoad: (_, load) => trail.follow(load),
        use: async (_, bytes) => {
          trail.enter('decode');
          outcome = await this.#place(landing, bytes, recorded).then(
            (placed) => ({ placed }),
            (error: unknown) => ({ error }),
          );
        },
        fail: (_, error) => {
          outcome = { error };
        },
      },
      options,
    );
    if (outcome !== undefined && 'placed' in outcome && outcome.placed) return true;
    await this.#unrecord(landing);
    if (outcome === undefined || 'placed' in outcome) return false;
    throw outcome.error;
  }

  async #place(landing: Landing, stored: Uint8Array, recorded: Promise<void>): Promise<boolean> {
    try {
      return await this.#placeOnce(landing, stored, recorded);
    } catch (error) {
      const { chunk, options } = landing;
      const { counters } = this.#parts;
      if (isG8Error(error, 'ERR_CACHE_FULL')) {
        if ((await this.#evictor.makeRoom(landing.ref.size)) === 0) throw error;
        return await this.#placeOnce(landing, stored, recorded);
      }
      if (!isG8Error(error, 'ERR_CHUNK_CORRUPT')) throw error;
      counters.corruptChunks++;
      // A failover or routing store may have a good copy elsewhere.
      const again = await this.#fetcher.refetch(toHex(chunk.id), options);
      return await this.#placeOnce(landing, again, recorded).catch((second: unknown) => {
        if (isG8Error(second, 'ERR_CHUNK_CORRUPT')) counters.corruptChunks++;
        throw second;
      });
    }
  }

  async #placeOnce(
    { key, ref, chunk, options }: Landing,
    stored: Uint8Array,
    recorded: Promise<void>,
  ): Promise<boolean> {
    const { catalog, layout, lock, partials, residency, state } = this.#parts;
    await recorded;
    const { digest, size } = ref;
    const request = {
      path: layout.filePath(key),
      stored,
      codec: chunk.codec,
      id: chunk.id,
      plainDigest: chunk.plainDigest,
      plainSize: size,
    };
    return await lock.run(key, async () => {
      // Somebody else may have begun to fill it in the meantime, or evicted the record.
      if (partials.find(key) !== undefined) return false;
      if ((await catalog.find(digest))?.complete !== true) {
        await this.#record(ref, estimate(size));
        await state.flush();
      }
      const allocated = await this.#placer.place(request, PRIORITY[options.priority]);
      if (allocated === PLACE_UNSUPPORTED) this.#isUnsupported = true;
      if (allocated === PLACE_EXISTS || allocated === PLACE_UNSUPPORTED) return false;
      residency.complete(digest);
      if (allocated !== estimate(size)) await this.#record(ref, allocated);
      this.#onComplete();
      return true;
    });
  }

  async #record({ digest, algorithm, blockSize, size }: ContentRef, bytes: number): Promise<void> {
    const { catalog, now } = this.#parts;
    const shape = { algorithm, blockSize, size, bytes, complete: true, durable: false };
    await catalog.update(digest, (record) => ({
      ...shape,
      pinned: record?.pinned ?? false,
      lastUseMs: record?.lastUseMs ?? now(),
    }));
  }

  // The record must not vouch for a file that this landing did not make.
  async #unrecord({ key, ref }: Landing): Promise<void> {
    const { catalog, lock, partials } = this.#parts;
    await lock.run(key, async () => {
      if (partials.find(key) !== undefined) return;
      const record = await catalog.find(ref.digest);
      const isOurs = record?.complete === true && !record.durable;
      if (isOurs) await catalog.remove(ref.digest);
    });
  }
}

function estimate(size: number): number {
  return Math.ceil(size / ALLOCATION_BYTES) * ALLOCATION_BYTES;
}
