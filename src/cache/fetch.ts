/**
 * Fetches chunks: one request per chunk id at a time whoever wants it, many ids in one store call,
 * bounded calls with the urgent ones first. Returns stored bytes as they came; not verified.
 *
 * Concurrency: a batch holds its slot until its own chunks are used up, so the bytes in memory are
 * bounded by slots × batch. Chunks that another batch fetches are waited for without a slot: a batch
 * that holds one never waits for a batch that wants one.
 */
import { createAbortController, raceAbort } from '../base/abort.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { Limiter } from '../base/limit.ts';
import { plural } from '../base/plural.ts';
import { type Flight, SingleFlight } from '../base/singleflight.ts';
import type { Trail } from '../base/trail.ts';
import { CHUNK_SIZE_MAX, type ChunkId, type ChunkStore } from '../store/store.ts';
import type { Counters } from './parts.ts';

export type FillPriority = 'demand' | 'profile' | 'background';

/** Index into the shares of a limiter. */
export const PRIORITY: Readonly<Record<FillPriority, number>> = {
  demand: 0,
  profile: 1,
  background: 2,
};

/**
 * Store calls at the same time for each priority: enough to fill a 10 Gbit/s line at 10 ms with
 * batches of 1 MiB, and background work leaves half of them free.
 */
const CALL_SHARES = [16, 12, 8];
/** Batches that may wait: each belongs to a caller that waits for it. */
const CALL_QUEUE_COUNT_MAX = 65_536;
/** Times a caller waits for other callers' loads of a chunk before it gives up. */
const JOIN_COUNT_MAX = 8;

/** Watches what is loaded on somebody's behalf. Its methods must not throw. */
export interface LoadWatcher {
  /** Somebody waits for this block; `trail` is shared by all who do. */
  onBlock?(block: number, trail: Trail): void;
  /** A store is called, once for a batch. */
  onCall(): void;
  /** A chunk came, as it is stored. */
  onChunk(size: number): void;
}

export interface FetchOptions {
  readonly watcher?: LoadWatcher | undefined;
  readonly store: ChunkStore;
  readonly priority: FillPriority;
  readonly signal: AbortSignal;
}

/** Takes the chunks as they come. Neither method throws. */
export interface ChunkSink {
  use(id: ChunkId, bytes: Uint8Array): Promise<void>;
  /** The chunk is on its way, by this call or another's. */
  onLoad(id: ChunkId, trail: Trail): void;
  fail(id: ChunkId, error: unknown): void;
}

export class ChunkFetcher {
  readonly #counters: Counters;
  readonly #calls = new Limiter({ shares: CALL_SHARES, queueCountMax: CALL_QUEUE_COUNT_MAX });
  readonly #flights = new SingleFlight<Uint8Array>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Loads that run or wait. */
  get flightCount(): number {
    return this.#flights.count;
  }

  /** Gets each id once and hands it to the sink; ends when the sink has had all of them. */
  async fetch(ids: readonly ChunkId[], sink: ChunkSink, options: FetchOptions): Promise<void> {
    const led: ChunkId[] = [];
    const joined: Promise<void>[] = [];
    for (const id of new Set(ids)) {
      const flight = this.#flights.find(id);
      if (flight === undefined) led.push(id);
      else joined.push(this.#join(id, flight, sink, options, JOIN_COUNT_MAX));
    }
    await Promise.all([this.#lead(led, sink, options), ...joined]);
  }

  /** Makes the load of a chunk more urgent when it is still queued. */
  raise(id: ChunkId, priority: number): void {
    this.#flights.find(id)?.raise?.(priority);
  }

  /** One chunk again, past all sharing: the copy that everybody got was corrupt. */
  async refetch(id: ChunkId, { store, signal, watcher }: FetchOptions): Promise<Uint8Array> {
    watcher?.onCall();
    const bytes = await raceAbort(store.get(id, { signal }), signal);
    this.#count(bytes, watcher);
    return bytes;
  }

  async #join(
    id: ChunkId,
    flight: Flight<Uint8Array>,
    sink: ChunkSink,
    options: FetchOptions,
    turns: number,
  ): Promise<void> {
    flight.raise?.(PRIORITY[options.priority]);
    sink.onLoad(id, flight.trail);
    let bytes: Uint8Array;
    try {
      bytes = await flight.wait(options.signal);
    } catch (error) {
      const isFinal = flight.owner === options.store && !isG8Error(error, 'ERR_ABORTED');
      if (isFinal || options.signal.aborted || turns === 0) return sink.fail(id, error);
      // The leader's store failed; ours may do better.
      const next = this.#flights.find(id);
      if (next === undefined) return await this.#lead([id], sink, options);
      return await this.#join(id, next, sink, options, turns - 1);
    }
    await sink.use(id, bytes);
  }

  async #lead(ids: readonly ChunkId[], sink: ChunkSink, options: FetchOptions): Promise<void> {
    if (ids.length === 0) return;
    const abandoned = createAbortController();
    const flights = new Map<ChunkId, Flight<Uint8Array>>();
    for (const id of ids) {
      const onAbandoned = (): void => {
        if ([...flights.values()].every((flight) => flight.ended)) abandoned.abort();
      };
      const flight = this.#flights.lead(id, options.store, onAbandoned);
      flights.set(id, flight);
      sink.onLoad(id, flight.trail);
    }
    const uses = ids.map(async (id) => {
      let bytes: Uint8Array;
      try {
        bytes = await (flights.get(id) as Flight<Uint8Array>).wait(options.signal);
      } catch (error) {
        return sink.fail(id, error);
      }
      await sink.use(id, bytes);
    });
    try {
      await this.#calls.run(
        async () => {
          await this.#call(flights, { ...options, signal: abandoned.signal });
          await Promise.all(uses);
        },
        {
          priority: PRIORITY[options.priority],
          signal: abandoned.signal,
          onQueued: (raise) => {
            for (const flight of flights.values()) flight.raise = raise;
          },
        },
      );
    } catch (error) {
      for (const flight of flights.values()) flight.reject(error);
    }
    await Promise.all(uses);
  }

  // Settles every flight.
  async #call(
    flights: ReadonlyMap<ChunkId, Flight<Uint8Array>>,
    { store, signal, watcher }: FetchOptions,
  ): Promise<void> {
    const ids = [...flights.keys()].filter((id) => flights.get(id)?.ended === false);
    const onAsk = (name: string, asked: readonly ChunkId[]): void => {
      for (const id of asked) {
        const flight = flights.get(id);
        if (flight !== undefined) flight.trail.store = name;
      }
    };
    for (const { trail } of flights.values()) trail.enter('network');
    onAsk(store.name, ids);
    const settle = (id: ChunkId, bytes: Uint8Array): void => {
      this.#count(bytes, watcher);
      if (bytes.length <= CHUNK_SIZE_MAX) flights.get(id)?.resolve(bytes);
      else flights.get(id)?.reject(tooLarge(id, store, bytes.length));
    };
    const read = async (): Promise<void> => {
      watcher?.onCall();
      const [only] = ids;
      if (only !== undefined && ids.length === 1) {
        settle(only, await store.get(only, { signal, onAsk }));
        return;
      }
      for await (const result of store.getMany(ids, { signal, onAsk })) {
        if ('bytes' in result) settle(result.id, result.bytes);
        else flights.get(result.id)?.reject(result.error);
      }
    };
    try {
      if (ids.length > 0) await raceAbort(read(), signal);
    } catch (error) {
      for (const flight of flights.values()) flight.reject(error);
    }
    for (const [id, flight] of flights) {
      if (!flight.ended) flight.reject(unanswered(id, store));
    }
  }

  #count(bytes: Uint8Array, watcher: LoadWatcher | undefined): void {
    watcher?.onChunk(bytes.length);
    this.#counters.fetchedChunks++;
    this.#counters.fetchedBytes += bytes.length;
  }
}

function tooLarge(id: ChunkId, store: ChunkStore, size: number): G8Error {
  const details = { id, size, store: store.name };
  return new G8Error('ERR_CHUNK_CORRUPT', `Chunk ${id} has ${plural(size, 'byte')}`, { details });
}

function unanswered(id: ChunkId, store: ChunkStore): G8Error {
  const details = { id, store: store.name };
  return new G8Error('ERR_PROTOCOL', `${store.name} did not answer for chunk ${id}`, { details });
}
