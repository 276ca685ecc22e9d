/**
 * Chunks that wait to be fetched, and when they go: the most urgent first, as many of one store in a call as are
 * there, stores of one priority in turn.
 *
 * A call that waits in vain for its store takes no place from those to other stores: after a moment of silence it
 * no longer counts. What comes up in one turn of the event loop goes together. A store that answers within milliseconds gets few
 * calls at a time, for there each call costs more than it saves, and what waits meanwhile fills the next one.
 *
 * Concurrency: for one event loop. Knows nothing of what a call does.
 */
import { G8Error } from '../base/errors.ts';
import type { ChunkId, ChunkStore } from '../store/store.ts';

/**
 * Calls at the same time for each priority: enough to fill a 10 Gbit/s line at 10 ms with batches of 1 MiB, and
 * background work leaves half of them free.
 */
const CALL_SHARES = [16, 12, 8] as const;
/** The same for one store that is near: one call is on its way, one is answered, one is being used. */
const NEAR_CALL_SHARES = [4, 3, 2] as const;
/** A store whose first answer came within this is near: a local network, not a wide one. */
const NEAR_MS = 4;
/** A call that heard nothing for this long waits for a store that is slow or dead. */
const SILENT_MS = 1_000;
/** How fast a short answer is forgotten when longer ones follow: a busy moment is not a longer way. */
const ANSWER_GROWTH = 1.05;
/** The same where it says how far a store is, which changes hardly ever. */
const DISTANCE_GROWTH = 1.01;
/** Answers that say how far it is: the first ones wait for connections and for code to be loaded. */
const DISTANCE_COUNT_MIN = 2;
/**
 * Chunks and plain bytes of one call for each priority: what a busy slot may hold in memory, and how long a reader
 * waits who wants the last of them after all.
 */
const CALL_COUNT_MAX = [64, 64, 32] as const;
const CALL_BYTES_MAX = [8 * 1024 * 1024, 4 * 1024 * 1024, 2 * 1024 * 1024] as const;
/** Chunks that may wait: each belongs to a caller that waits for it. */
const WAITING_COUNT_MAX = 65_536;

export interface QueuedChunk {
  readonly id: ChunkId;
  /** Plain bytes. */
  readonly size: number;
  readonly store: ChunkStore;
  /** 0 is the most urgent; the queue changes it when it is raised. */
  priority: number;
  /** Goes with the next call for a reader, behind what that is for, if the call starts in the same turn. */
  readonly rides?: boolean;
}

/** What is known of a store that is being asked, or was. */
interface StoreLoad {
  running: number;
  /** Shortest time to an answer lately, in milliseconds. */
  answerMs: number;
  /** The same, remembered for longer, and the answers that it is of. */
  distanceMs: number;
  answers: number;
}

/** How far a call is. */
export interface CallProgress {
  /** A chunk came. */
  answered(): void;
  /** Nothing more will come; what came may still be in use. */
  received(): void;
}

/** Fetches chunks, and resolves when the memory that they take is free again. Never rejects. */
export type FetchCall<T> = (
  store: ChunkStore,
  chunks: readonly T[],
  progress: CallProgress,
) => Promise<void>;

export class FetchQueue<T extends QueuedChunk> {
  readonly #call: FetchCall<T>;
  readonly #lanes: Map<ChunkStore, Set<T>>[] = CALL_SHARES.map(() => new Map());
  readonly #loads = new WeakMap<ChunkStore, StoreLoad>();
  /** Those that came up in this turn. */
  readonly #riders = new Set<T>();
  #running = 0;
  #waiting = 0;
  #isDue = false;

  constructor(call: FetchCall<T>) {
    this.#call = call;
  }

  /** @throws ERR_STORE_UNAVAILABLE when too many wait */
  add(chunk: T): void {
    if (this.#waiting >= WAITING_COUNT_MAX) {
      const details = { waiting: this.#waiting };
      throw new G8Error('ERR_STORE_UNAVAILABLE', 'Too many requests are waiting', { details });
    }
    this.#put(chunk);
    this.#waiting++;
    if (chunk.rides === true) this.#riders.add(chunk);
    this.#startSoon();
  }

  /** Shortest time to the first chunk of a call, in milliseconds; `undefined` until a few have come. */
  answerMs(store: ChunkStore): number | undefined {
    const load = this.#loads.get(store);
    return load === undefined || load.answers < DISTANCE_COUNT_MIN ? undefined : load.distanceMs;
  }

  /** Takes a chunk out if it still waits. */
  remove(chunk: T): boolean {
    const removed = this.#drop(chunk);
    if (removed) this.#waiting--;
    return removed;
  }

  /** Makes a chunk that still waits more urgent. */
  raise(chunk: T, priority: number): void {
    if (priority >= chunk.priority || !this.#drop(chunk)) return;
    chunk.priority = priority;
    this.#put(chunk);
    this.#startSoon();
  }

  #put(chunk: T): void {
    const lane = this.#laneOf(chunk);
    const chunks = lane.get(chunk.store);
    if (chunks === undefined) lane.set(chunk.store, new Set([chunk]));
    else chunks.add(chunk);
  }

  #drop(chunk: T): boolean {
    const lane = this.#laneOf(chunk);
    const chunks = lane.get(chunk.store);
    if (chunks?.delete(chunk) !== true) return false;
    if (chunks.size === 0) lane.delete(chunk.store);
    return true;
  }

  #laneOf(chunk: T): Map<ChunkStore, Set<T>> {
    const lane = this.#lanes[chunk.priority];
    if (lane === undefined) throw new RangeError(`There is no priority ${chunk.priority}`);
    return lane;
  }

  // Behind the callbacks that are due: all that the drivers have asked for meanwhile goes together.
  #startSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#start();
      this.#riders.clear();
    });
  }

  #start(): void {
    for (const [priority, lane] of this.#lanes.entries()) {
      for (const store of [...lane.keys()]) {
        while (this.#mayStart(priority, store)) {
          const chunks = this.#take(priority, lane, store);
          if (chunks.length === 0) break;
          void this.#run(store, chunks);
        }
      }
    }
  }

  #mayStart(priority: number, store: ChunkStore): boolean {
    if (this.#running >= (CALL_SHARES[priority] as number)) return false;
    const load = this.#loads.get(store);
    if (load === undefined) return true;
    // The calls that do not count above are bounded here.
    const shares = load.answerMs <= NEAR_MS ? NEAR_CALL_SHARES : CALL_SHARES;
    return load.running < (shares[priority] as number);
  }

  #take(priority: number, lane: Map<ChunkStore, Set<T>>, store: ChunkStore): T[] {
    const waiting = lane.get(store);
    const chunks: T[] = [];
    if (waiting === undefined) return chunks;
    let bytes = 0;
    for (const chunk of waiting) {
      bytes += chunk.size;
      if (chunks.length > 0 && bytes > (CALL_BYTES_MAX[priority] as number)) break;
      waiting.delete(chunk);
      if (chunks.push(chunk) >= (CALL_COUNT_MAX[priority] as number)) break;
    }
    // What is left comes behind the other stores.
    lane.delete(store);
    if (waiting.size > 0) lane.set(store, waiting);
    this.#waiting -= chunks.length;
    if (priority === 0) this.#takeRiders(store, chunks);
    return chunks;
  }

  #takeRiders(store: ChunkStore, chunks: T[]): void {
    let bytes = chunks.reduce((sum, { size }) => sum + size, 0);
    for (const rider of this.#riders) {
      if (chunks.length >= CALL_COUNT_MAX[0]) return;
      bytes += rider.size;
      if (bytes > CALL_BYTES_MAX[0]) return;
      if (rider.store === store && this.remove(rider)) chunks.push(rider);
    }
  }

  async #run(store: ChunkStore, chunks: readonly T[]): Promise<void> {
    const load = this.#loads.get(store) ?? {
      running: 0,
      answers: 0,
      answerMs: Number.POSITIVE_INFINITY,
      distanceMs: Number.POSITIVE_INFINITY,
    };
    this.#loads.set(store, load);
    const startedAt = performance.now();
    this.#running++;
    load.running++;
    let isSilent = false;
    let isAnswered = false;
    let isOver = false;
    const timer = setTimeout(() => {
      isSilent = true;
      this.#running--;
      this.#start();
    }, SILENT_MS);
    const heard = (): void => {
      if (isSilent) this.#running++;
      isSilent = false;
    };
    const over = (): void => {
      isOver = true;
      heard();
      clearTimeout(timer);
    };
    await this.#call(store, chunks, {
      answered: () => {
        // A call that was given up may still hear something.
        if (isOver) return;
        if (!isAnswered) {
          const tookMs = performance.now() - startedAt;
          load.answerMs = Math.min(load.answerMs * ANSWER_GROWTH, tookMs);
          load.distanceMs = Math.min(load.distanceMs * DISTANCE_GROWTH, tookMs);
          load.answers++;
        }
        isAnswered = true;
        heard();
        timer.refresh();
      },
      received: over,
    });
    over();
    this.#running--;
    load.running--;
    this.#start();
  }
}
