/**
 * Fetches chunks: one request per chunk id at a time whoever wants it, bounded calls with the urgent ones first.
 * Chunks that are wanted at the same time, or while no further call may start, go into one call together. Returns
 * stored bytes as they came; not verified.
 *
 * Concurrency: a call holds its slot until its chunks are used up, so the bytes in memory are bounded by
 * slots × batch. Chunks that another call fetches are waited for without a slot.
 */
import { createAbortController, raceAbort } from '../base/abort.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { plural } from '../base/plural.ts';
import { type Flight, SingleFlight } from '../base/singleflight.ts';
import type { Trail } from '../base/trail.ts';
import { CHUNK_SIZE_MAX, type ChunkId, type ChunkStore } from '../store/store.ts';
import { FetchQueue, type QueuedChunk } from './fetch-queue.ts';
import type { Counters } from './parts.ts';

/** Who waits: a reader, a start profile that is replayed, nobody yet. Each goes before all behind it. */
export type FillPriority = 'demand' | 'profile' | 'background';

/** Index into the shares of a limiter. */
export const PRIORITY: Readonly<Record<FillPriority, number>> = {
  demand: 0,
  profile: 1,
  background: 2,
};

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

export interface ChunkWant {
  readonly id: ChunkId;
  /** Plain bytes of the chunk: about what it takes in memory. */
  readonly size: number;
}

/** Takes the chunks as they come. Neither method throws. */
export interface ChunkSink {
  use(id: ChunkId, bytes: Uint8Array): Promise<void>;
  /** The chunk is on its way, by this call or another's. */
  onLoad(id: ChunkId, trail: Trail): void;
  fail(id: ChunkId, error: unknown): void;
}

interface Wanted extends QueuedChunk {
  readonly flight: Flight<Uint8Array>;
  readonly watcher: LoadWatcher | undefined;
  /** Ends when the caller that asked for it has used it or was told why not. */
  used: Promise<void>;
  /** The call that fetches it, once it has left the queue. */
  call: Call | undefined;
}

interface Call {
  readonly wanted: readonly Wanted[];
  readonly abandoned: AbortController;
}

export class ChunkFetcher {
  readonly #counters: Counters;
  readonly #queue = new FetchQueue<Wanted>((...call) => this.#call(...call));
  readonly #flights = new SingleFlight<Uint8Array>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Loads that run or wait. */
  get flightCount(): number {
    return this.#flights.count;
  }

  /** Gets each chunk once and hands it to the sink; ends when the sink has had all of them. */
  async fetch(wants: readonly ChunkWant[], sink: ChunkSink, options: FetchOptions): Promise<void> {
    const uses = wants.map((want) => {
      const flight = this.#flights.find(want.id);
      if (flight === undefined) return this.#lead(want, sink, options);
      return this.#join(want, flight, sink, options, JOIN_COUNT_MAX);
    });
    await Promise.all(uses);
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
    want: ChunkWant,
    flight: Flight<Uint8Array>,
    sink: ChunkSink,
    options: FetchOptions,
    turns: number,
  ): Promise<void> {
    flight.raise?.(PRIORITY[options.priority]);
    sink.onLoad(want.id, flight.trail);
    let bytes: Uint8Array;
    try {
      bytes = await flight.wait(options.signal);
    } catch (error) {
      const isFinal = flight.owner === options.store && !isG8Error(error, 'ERR_ABORTED');
      if (isFinal || options.signal.aborted || turns === 0) return sink.fail(want.id, error);
      // The leader's store failed; ours may do better.
      const next = this.#flights.find(want.id);
      if (next === undefined) return await this.#lead(want, sink, options);
      return await this.#join(want, next, sink, options, turns - 1);
    }
    await sink.use(want.id, bytes);
  }

  #lead({ id, size }: ChunkWant, sink: ChunkSink, options: FetchOptions): Promise<void> {
    const { store, priority, signal, watcher } = options;
    const flight = this.#flights.lead(id, store, () => this.#onAbandoned(wanted));
    const wanted: Wanted = {
      id,
      size,
      store,
      priority: PRIORITY[priority],
      flight,
      watcher,
      used: Promise.resolve(),
      call: undefined,
    };
    flight.raise = (urgent) => this.#queue.raise(wanted, urgent);
    sink.onLoad(id, flight.trail);
    wanted.used = useWhenThere(flight, id, sink, signal);
    if (flight.ended) return wanted.used;
    try {
      this.#queue.add(wanted);
    } catch (error) {
      flight.reject(error);
    }
    return wanted.used;
  }

  #onAbandoned(wanted: Wanted): void {
    if (wanted.call === undefined) this.#queue.remove(wanted);
    else if (wanted.call.wanted.every(({ flight }) => flight.ended)) wanted.call.abandoned.abort();
  }

  // Settles every flight, and ends when all are used.
  async #call(store: ChunkStore, all: readonly Wanted[], onAnswer: () => void): Promise<void> {
    const call: Call = { wanted: all, abandoned: createAbortController() };
    const pending = new Map<ChunkId, Wanted>();
    for (const wanted of all) {
      wanted.call = call;
      pending.set(wanted.id, wanted);
    }
    const { signal } = call.abandoned;
    const onAsk = (name: string, asked: readonly ChunkId[]): void => {
      for (const id of asked) {
        const trail = pending.get(id)?.flight.trail;
        if (trail !== undefined) trail.store = name;
      }
    };
    for (const { flight } of all) flight.trail.enter('network');
    onAsk(store.name, [...pending.keys()]);
    for (const watcher of new Set(all.map((wanted) => wanted.watcher))) watcher?.onCall();
    let answered = false;
    const settle = (id: ChunkId, bytes: Uint8Array): void => {
      if (!answered) onAnswer();
      answered = true;
      const wanted = pending.get(id);
      this.#count(bytes, wanted?.watcher);
      const flight = wanted?.flight;
      if (bytes.length <= CHUNK_SIZE_MAX) flight?.resolve(bytes);
      else flight?.reject(tooLarge(id, store, bytes.length));
    };
    const read = async (): Promise<void> => {
      const [only] = all;
      if (only !== undefined && all.length === 1) {
        settle(only.id, await store.get(only.id, { signal, onAsk }));
        return;
      }
      for await (const result of store.getMany([...pending.keys()], { signal, onAsk })) {
        if ('bytes' in result) settle(result.id, result.bytes);
        else pending.get(result.id)?.flight.reject(result.error);
      }
    };
    try {
      await raceAbort(read(), signal);
    } catch (error) {
      for (const { flight } of all) flight.reject(error);
    }
    for (const { id, flight } of all) {
      if (!flight.ended) flight.reject(unanswered(id, store));
    }
    await Promise.all(all.map(({ used }) => used));
  }

  #count(bytes: Uint8Array, watcher: LoadWatcher | undefined): void {
    watcher?.onChunk(bytes.length);
    this.#counters.fetchedChunks++;
    this.#counters.fetchedBytes += bytes.length;
  }
}

async function useWhenThere(
  flight: Flight<Uint8Array>,
  id: ChunkId,
  sink: ChunkSink,
  signal: AbortSignal,
): Promise<void> {
  let bytes: Uint8Array;
  try {
    bytes = await flight.wait(signal);
  } catch (error) {
    return sink.fail(id, error);
  }
  await sink.use(id, bytes);
}

function tooLarge(id: ChunkId, store: ChunkStore, size: number): G8Error {
  const details = { id, size, store: store.name };
  return new G8Error('ERR_CHUNK_CORRUPT', `Chunk ${id} has ${plural(size, 'byte')}`, { details });
}

function unanswered(id: ChunkId, store: ChunkStore): G8Error {
  const details = { id, store: store.name };
  return new G8Error('ERR_PROTOCOL', `${store.name} did not answer for chunk ${id}`, { details });
}
