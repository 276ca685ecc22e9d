/**
 * Contents of one chunk that the cache has nothing of, which most files are: fetched, and made sealed files in their
 * places by native calls, many in each, without partial files before them. What does not fit this path is left to
 * `fill.ts`.
 *
 * The records are written while the chunks are on their way and are with the kernel before the files are made, so
 * that a file in its place is never unknown (docs/decisions/0004-cache-sealed-files.md).
 *
 * Concurrency: one landing per content, shared by all callers, who wait here and not for the content's lock. What is
 * asked for together shares its look-ups, its state batch and its abort.
 */
import { createAbortController } from '../base/abort.ts';
import { equalBytes, toHex } from '../base/bytes.ts';
import { CODEC, DIGEST } from '../base/codec.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { type Flight, SingleFlight } from '../base/singleflight.ts';
import type { Chunk } from '../format/content.ts';
import { Boarding, type Departure } from './boarding.ts';
import { type ContentRef, isZero } from './content.ts';
import type { Evictor } from './evict.ts';
import { type ChunkFetcher, PRIORITY } from './fetch.ts';
import type { FillOptions } from './fill-options.ts';
import type { CacheParts } from './parts.ts';
import { completeRecord, estimate, type Landing, Placer } from './place.ts';
import { DIGEST_SIZE } from './records.ts';
import type { Recovery } from './recover.ts';

/** Landings of other callers that a call waits for in turn before it gives up. */
const FOLLOW_COUNT_MAX = 8;
/** Plain bytes of a group that ask for room together: in a cache that is nearly full, some of it fits. */
const PART_BYTES_MAX = 1024 * 1024;

export interface LanderOptions {
  readonly parts: CacheParts;
  readonly evictor: Evictor;
  readonly fetcher: ChunkFetcher;
  readonly recovery: Recovery;
  /** Contents became complete and are not durable yet. */
  readonly onComplete: () => void;
}

type GroupOptions = FillOptions & {
  readonly signal: AbortSignal;
  /** Nobody waits for it, and it goes along with a reader's: without a call and without evictions for it. */
  readonly rides?: boolean;
  readonly departure?: Departure | undefined;
};

export class Lander {
  readonly #parts: CacheParts;
  readonly #evictor: Evictor;
  readonly #fetcher: ChunkFetcher;
  readonly #recovery: Recovery;
  readonly #placer: Placer;
  readonly #flights = new SingleFlight<boolean>();
  readonly #running = new Set<Promise<void>>();

  constructor({ parts, evictor, fetcher, recovery, onComplete }: LanderOptions) {
    this.#parts = parts;
    this.#evictor = evictor;
    this.#fetcher = fetcher;
    this.#recovery = recovery;
    this.#placer = new Placer({ parts, evictor, fetcher, onComplete });
  }

  /** Waits for the landings that run. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /**
   * Makes contents complete, those of them that are for this path.
   *
   * @returns for each, true when its file is in its place; false when attach and fill have to do it; rejects as
   *   `ContentCache.fill` does
   */
  land(refs: readonly ContentRef[], options: FillOptions): Promise<boolean>[] {
    const group = new Map<string, Landing>();
    const abandoned = createAbortController();
    const landings = refs.map((ref) => this.#take(ref, options, group, abandoned));
    if (group.size > 0) {
      const departure = this.#board(options)?.lead;
      this.#start([...group.values()], { ...options, departure }, abandoned);
    }
    return landings;
  }

  /** Gets ready what goes along with a reader's content. */
  #board({ riders: ask, ...options }: FillOptions): Boarding | undefined {
    const riders = ask?.();
    if (riders === undefined) return undefined;
    const { refs, watcher, onEnd } = riders;
    const group = new Map<string, Landing>();
    const abandoned = createAbortController();
    const boarding = new Boarding(() => abandoned.abort());
    // The reader may give up, and another one come for them: their store has its own deadline.
    const own = { ...options, watcher, priority: 'profile', signal: undefined } as const;
    const landings = refs.map(async (ref) => {
      if (this.isLanding(toHex(ref.digest))) return false;
      return await this.#take(ref, own, group, abandoned);
    });
    void Promise.allSettled(landings).then((ends) =>
      onEnd(ends.map((end) => end.status === 'fulfilled' && end.value)),
    );
    if (group.size === 0) return undefined;
    const departure = boarding.rider;
    this.#start([...group.values()], { ...own, rides: true, departure }, abandoned);
    return boarding;
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

  /** Joins the landing that runs, or adds one to the group, which is by chunk id. */
  #take(
    ref: ContentRef,
    options: FillOptions,
    group: Map<string, Landing>,
    abandoned: AbortController,
  ): Promise<boolean> {
    const key = toHex(ref.digest);
    const current = this.#flights.find(key);
    if (current !== undefined) return this.#follow(key, ref, current, options);
    const chunk = this.#fittingChunk(key, ref);
    const chunkId = chunk === undefined ? '' : toHex(chunk.id);
    // Two contents with one chunk: one of them is not what its flist says.
    if (chunk === undefined || group.has(chunkId)) return Promise.resolve(false);
    const onAbandoned = (): void => {
      if ([...group.values()].every((landing) => landing.flight.ended)) abandoned.abort();
    };
    const flight = this.#flights.lead(key, options.store, onAbandoned);
    flight.trail.chunk = chunkId;
    options.watcher?.onBlock?.(0, flight.trail);
    flight.raise = (priority) => this.#fetcher.raise(chunkId, priority);
    group.set(chunkId, { key, ref, chunk, chunkId, flight });
    return flight.wait(options.signal);
  }

  async #follow(
    key: string,
    ref: ContentRef,
    first: Flight<boolean>,
    options: FillOptions,
  ): Promise<boolean> {
    const { store, priority, signal } = options;
    let current: Flight<boolean> | undefined = first;
    for (let turn = 0; current !== undefined; turn++) {
      current.raise?.(PRIORITY[priority]);
      options.watcher?.onBlock?.(0, current.trail);
      try {
        return await current.wait(signal);
      } catch (error) {
        // The leader's store failed, or there was no room for what nobody waited for; ours may do better.
        const isPassing = isG8Error(error, 'ERR_ABORTED') || isG8Error(error, 'ERR_CACHE_FULL');
        const isFinal = current.owner === store && !isPassing;
        if (isFinal || signal?.aborted || turn === FOLLOW_COUNT_MAX) throw error;
      }
      current = this.#flights.find(key);
    }
    return await (this.land([ref], options)[0] as Promise<boolean>);
  }

  #start(
    group: readonly Landing[],
    options: Omit<GroupOptions, 'signal'>,
    abandoned: AbortController,
  ): void {
    const { closing } = this.#parts;
    const onClosing = (): void => {
      for (const { flight } of group) flight.reject(closing.reason);
      abandoned.abort(closing.reason);
    };
    closing.addEventListener('abort', onClosing, { once: true });
    const running = this.#run(group, { ...options, signal: abandoned.signal }).finally(() => {
      closing.removeEventListener('abort', onClosing);
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  // The chunk of a content that is its only chunk and named by it, and of which nothing is here.
  #fittingChunk(key: string, ref: ContentRef): Chunk | undefined {
    const { lock, partials } = this.#parts;
    const isOne = ref.chunkCount === 1 && ref.size <= ref.blockSize;
    if (!isOne || ref.algorithm !== DIGEST.blake2b256) return undefined;
    if (this.#placer.isUnsupported || this.#recovery.active) return undefined;
    if (partials.find(key) !== undefined || lock.isHeld(key)) return undefined;
    const chunk = ref.chunk(0);
    const { codec, id, plainDigest } = chunk;
    const isOwn = codec === CODEC.zstd && equalBytes(plainDigest, ref.digest);
    return isOwn && id.length === DIGEST_SIZE && !isZero(id) ? chunk : undefined;
  }

  // Settles the flights; never throws.
  async #run(group: readonly Landing[], options: GroupOptions): Promise<void> {
    try {
      await this.#parts.state.throttle();
      for (const { flight } of group) flight.trail.enter('disk');
      const admitted: Landing[] = [];
      const giveBack: (() => void)[] = [];
      try {
        for (const part of partsOf(await this.#dropKnown(group))) {
          giveBack.push(await this.#admit(part, options, admitted));
        }
        if (admitted.length > 0) await this.#fetchAndPlace(admitted, options);
      } finally {
        for (const give of giveBack) give();
      }
    } catch (error) {
      for (const { flight } of group) flight.reject(error);
    } finally {
      options.departure?.end();
    }
  }

  /** Asks for room; without it only this part has failed. */
  async #admit(
    part: readonly Landing[],
    { priority, quota, rides }: GroupOptions,
    admitted: Landing[],
  ): Promise<() => void> {
    const bytes = part.reduce((sum, { ref }) => sum + ref.size, 0);
    try {
      if (rides === true && !(await this.#evictor.hasRoom(bytes, quota))) throw noRoom(bytes);
      const giveBack = await this.#evictor.admit(bytes, priority, quota);
      admitted.push(...part);
      return giveBack;
    } catch (error) {
      for (const { flight } of part) flight.reject(error);
      return () => {};
    }
  }

  /** Leaves what the cache has something of to the longer way. */
  async #dropKnown(group: readonly Landing[]): Promise<Landing[]> {
    const { catalog } = this.#parts;
    const digests = group.map(({ ref }) => ref.digest);
    const records = await catalog.findMany(digests);
    const sources = await catalog.findSources(DIGEST.blake2b256, digests);
    return group.filter(({ flight }, index) => {
      const isKnown = records[index] !== undefined || sources[index] !== undefined;
      if (isKnown) flight.resolve(false);
      return !isKnown && !flight.ended;
    });
  }

  async #fetchAndPlace(group: readonly Landing[], options: GroupOptions): Promise<void> {
    const { catalog, counters, now, state } = this.#parts;
    const digests = group.map(({ ref }) => ref.digest);
    await catalog.settleRemoval(...digests);
    await catalog.updateMany(digests, (record, index) => {
      const { ref } = group[index] as Landing;
      return completeRecord(ref, estimate(ref.size), record, now(), options.quota?.owner);
    });
    const recorded = state.flush();
    recorded.catch(() => {});
    counters.misses += group.length;
    const landings = new Map(group.map((landing) => [landing.chunkId, landing]));
    const ends: Promise<void>[] = [];
    const { departure, rides = false } = options;
    await departure?.before();
    const fetching = this.#fetcher.fetch(
      group.map(({ chunkId, ref }) => ({ id: chunkId, size: ref.size, rides })),
      {
        onLoad: (id, load) => landings.get(id)?.flight.trail.follow(load),
        use: (id, bytes) => {
          const landing = landings.get(id) as Landing;
          landing.flight.trail.enter('decode');
          return this.#placer.place(landing, bytes, recorded, options).then(
            (placed) => (placed ? landing.flight.resolve(true) : this.#undo(landing, undefined)),
            (error: unknown) => this.#undo(landing, error),
          );
        },
        fail: (id, error) => {
          ends.push(this.#undo(landings.get(id) as Landing, error));
        },
      },
      options,
    );
    departure?.gone();
    await fetching;
    await Promise.all(ends);
  }

  /** The record must not vouch for a file that this landing did not make. */
  async #undo({ key, ref, flight }: Landing, error: unknown): Promise<void> {
    const { catalog, lock, partials } = this.#parts;
    try {
      await lock.run(key, async () => {
        if (partials.find(key) !== undefined) return;
        const record = await catalog.find(ref.digest);
        const isOurs = record?.complete === true && !record.durable;
        if (isOurs) await catalog.remove(ref.digest);
      });
      if (error === undefined) flight.resolve(false);
      else flight.reject(error);
    } catch (failure) {
      flight.reject(error ?? failure);
    }
  }
}

function noRoom(bytes: number): G8Error {
  return new G8Error(
    'ERR_CACHE_FULL',
    `Nothing is evicted for ${bytes} bytes that nobody waits for`,
  );
}

function* partsOf(group: Iterable<Landing>): Generator<Landing[]> {
  let part: Landing[] = [];
  let bytes = 0;
  for (const landing of group) {
    part.push(landing);
    bytes += landing.ref.size;
    if (bytes < PART_BYTES_MAX) continue;
    yield part;
    [part, bytes] = [[], 0];
  }
  if (part.length > 0) yield part;
}
