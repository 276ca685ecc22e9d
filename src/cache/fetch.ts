/**
 * Fetches chunks: one request per chunk id at a time whoever wants it, bounded calls with the urgent ones first.
 * Chunks that are wanted at the same time, or while no further call may start, go into one call together. Returns
 * stored bytes as they came; not verified.
 *
 * Concurrency: a call holds its slot until its chunks are used up, so the bytes in memory are bounded by
 * slots × batch. Chunks that another call fetches are waited for without a slot.
 */
import { abortError, createAbortController, raceAbort } from '../base/abort.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { plural } from '../base/plural.ts';
import { Trail } from '../base/trail.ts';
import { deliver } from '../store/deliver.ts';
import { CHUNK_SIZE_MAX, type ChunkId, type ChunkStore } from '../store/store.ts';
import { type CallProgress, FetchQueue, type QueuedChunk } from './fetch-queue.ts';
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
  /** Goes behind what a reader waits for in the same call, see `fetch-queue.ts`. */
  readonly rides?: boolean;
}

/** Takes the chunks as they come. None of its methods throws. */
export interface ChunkSink {
  /** Ends when the bytes are of no more use. */
  use(id: ChunkId, bytes: Uint8Array): Promise<void>;
  /** The chunk is on its way, by this call or another's. */
  onLoad(id: ChunkId, trail: Trail): void;
  fail(id: ChunkId, error: unknown): void;
}

/** One call of {@link ChunkFetcher.fetch}. */
interface Order {
  readonly sink: ChunkSink;
  readonly options: FetchOptions;
  /** What is on its way, with the times that another's load may still be waited for. */
  readonly loads: Map<Load, number>;
  /** Chunks that the sink has not had to the end. */
  owed: number;
  readonly end: () => void;
}

/** A chunk on its way: one for each id, whoever wants it. */
interface Load extends QueuedChunk {
  readonly trail: Trail;
  readonly watcher: LoadWatcher | undefined;
  readonly orders: Set<Order>;
  /** The call that fetches it, once it has left the queue. */
  call: Call | undefined;
}

interface Call {
  /** What it has not had an answer for and somebody still wants. */
  readonly loads: Map<ChunkId, Load>;
  readonly abandoned: AbortController;
}

export class ChunkFetcher {
  readonly #counters: Counters;
  readonly #queue = new FetchQueue<Load>((...call) => this.#call(...call));
  readonly #loads = new Map<ChunkId, Load>();
  /** End the waits of calls for what is done with their chunks. */
  readonly #using = new Set<() => void>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Loads that run or wait. */
  get flightCount(): number {
    return this.#loads.size;
  }

  /** Gets each chunk once and hands it to the sink; ends when the sink has had all of them. */
  async fetch(wants: readonly ChunkWant[], sink: ChunkSink, options: FetchOptions): Promise<void> {
    const { signal } = options;
    if (signal.aborted) {
      for (const { id } of wants) sink.fail(id, abortError(signal));
      return;
    }
    if (wants.length === 0) return;
    await new Promise<void>((resolve) => {
      const onAbort = (): void => this.#leave(order);
      const end = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const order: Order = { sink, options, loads: new Map(), owed: wants.length, end };
      signal.addEventListener('abort', onAbort, { once: true });
      for (const want of wants) this.#ask(order, want, JOIN_COUNT_MAX);
    });
  }

  /** See {@link FetchQueue.answerMs}. */
  answerMs(store: ChunkStore): number | undefined {
    return this.#queue.answerMs(store);
  }

  /** Makes the load of a chunk more urgent when it is still queued. */
  raise(id: ChunkId, priority: number): void {
    const load = this.#loads.get(id);
    if (load !== undefined) this.#queue.raise(load, priority);
  }

  /** What came and is in use is not waited for any more: it may be in the hands of a disk that does not answer. */
  letGo(): void {
    for (const end of [...this.#using]) end();
  }

  /** One chunk again, past all sharing: the copy that everybody got was corrupt. */
  async refetch(id: ChunkId, { store, signal, watcher }: FetchOptions): Promise<Uint8Array> {
    watcher?.onCall();
    const bytes = await raceAbort(store.get(id, { signal, verify: true }), signal);
    this.#count(bytes, watcher);
    return bytes;
  }

  #ask(order: Order, want: ChunkWant, turns: number): void {
    const { sink, options } = order;
    const running = this.#loads.get(want.id);
    if (running !== undefined) this.#queue.raise(running, PRIORITY[options.priority]);
    const load = running ?? this.#lead(want, options);
    load.orders.add(order);
    order.loads.set(load, turns);
    sink.onLoad(want.id, load.trail);
    if (running !== undefined) return;
    try {
      this.#queue.add(load);
    } catch (error) {
      this.#reject(load, error);
    }
  }

  #lead({ id, size, rides = false }: ChunkWant, { store, priority, watcher }: FetchOptions): Load {
    const load: Load = {
      id,
      size,
      rides,
      store,
      priority: PRIORITY[priority],
      trail: new Trail(),
      watcher,
      orders: new Set(),
      call: undefined,
    };
    this.#loads.set(id, load);
    return load;
  }

  // Whoever gave the order wants nothing of it any more; what nobody else wants is not fetched.
  #leave(order: Order): void {
    const { sink, options, loads } = order;
    for (const load of [...loads.keys()]) {
      loads.delete(load);
      load.orders.delete(order);
      if (load.orders.size === 0) this.#abandon(load);
      sink.fail(load.id, abortError(options.signal));
      this.#done(order);
    }
  }

  #abandon(load: Load): void {
    this.#end(load);
    const { call } = load;
    if (call === undefined) this.#queue.remove(load);
    else if (call.loads.size === 0) call.abandoned.abort();
  }

  #end(load: Load): void {
    load.trail.end();
    load.call?.loads.delete(load.id);
    if (this.#loads.get(load.id) === load) this.#loads.delete(load.id);
  }

  #done(order: Order): void {
    order.owed--;
    if (order.owed === 0) order.end();
  }

  /** Hands a chunk to all who want it; the uses that the call has to wait for. */
  #resolve(load: Load, bytes: Uint8Array): Promise<void>[] {
    this.#end(load);
    return [...load.orders].map((order) => {
      order.loads.delete(load);
      return order.sink.use(load.id, bytes).then(() => this.#done(order));
    });
  }

  #reject(load: Load, error: unknown): void {
    this.#end(load);
    for (const order of load.orders) {
      const turns = order.loads.get(load) as number;
      order.loads.delete(load);
      const isFinal = load.store === order.options.store && !isG8Error(error, 'ERR_ABORTED');
      if (isFinal || turns === 0) {
        order.sink.fail(load.id, error);
        this.#done(order);
      } else {
        // The load was another's; our store may do better.
        this.#ask(order, load, turns - 1);
      }
    }
  }

  // Ends when all that came has been used.
  async #call(store: ChunkStore, all: readonly Load[], progress: CallProgress): Promise<void> {
    const call: Call = {
      loads: new Map(all.map((load) => [load.id, load])),
      abandoned: createAbortController(),
    };
    const { signal } = call.abandoned;
    const onAsk = (name: string, asked: readonly ChunkId[]): void => {
      for (const id of asked) {
        const trail = call.loads.get(id)?.trail;
        if (trail !== undefined) trail.store = name;
      }
    };
    for (const load of all) {
      load.call = call;
      load.trail.enter('network');
      load.trail.store = store.name;
    }
    // What rides along has cost no call.
    const isFor = (load: Load): boolean => load.rides !== true || all[0]?.rides === true;
    for (const watcher of new Set(all.filter(isFor).map((load) => load.watcher))) watcher?.onCall();
    const uses: Promise<void>[] = [];
    const onChunk = (id: ChunkId, bytes: Uint8Array): void => {
      progress.answered();
      const load = call.loads.get(id);
      this.#count(bytes, load?.watcher);
      if (load === undefined) return;
      if (bytes.length > CHUNK_SIZE_MAX) this.#reject(load, tooLarge(id, store, bytes.length));
      else uses.push(...this.#resolve(load, bytes));
    };
    const read = async (): Promise<void> => {
      const [only] = all;
      if (only !== undefined && all.length === 1) {
        onChunk(only.id, await store.get(only.id, { signal, onAsk }));
        return;
      }
      await deliver(store, [...call.loads.keys()], { signal, onAsk }, (result) => {
        if ('bytes' in result) onChunk(result.id, result.bytes);
        else this.#rejectId(call, result.id, result.error);
      });
    };
    try {
      await raceAbort(read(), signal);
    } catch (error) {
      for (const id of [...call.loads.keys()]) this.#rejectId(call, id, error);
    }
    progress.received();
    for (const id of [...call.loads.keys()]) this.#rejectId(call, id, unanswered(id, store));
    await this.#used(uses);
  }

  async #used(uses: readonly Promise<void>[]): Promise<void> {
    if (uses.length === 0) return;
    let end = (): void => {};
    const letGo = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#using.add(end);
    try {
      await Promise.race([Promise.all(uses), letGo]);
    } finally {
      this.#using.delete(end);
    }
  }

  #rejectId(call: Call, id: ChunkId, error: unknown): void {
    const load = call.loads.get(id);
    if (load !== undefined) this.#reject(load, error);
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
