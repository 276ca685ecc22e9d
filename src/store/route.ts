/**
 * One store made of many: pools of destinations, each for a range of chunk ids, tried in order.
 *
 * A pool's matching destinations are tried in random order, then the next pool's. A destination that
 * could not be reached lately is tried after all others. The chunk is missing only if everyone who
 * could have it answered that it has not.
 */
import { throwIfAborted } from '../base/abort.ts';
import { CODES, G8Error, isG8Error } from '../base/errors.ts';
import { mergeParallel, type Task } from '../base/parallel.ts';
import { plural } from '../base/plural.ts';
import type { DigestFunction } from './chunk-id.ts';
import { type DeliveringStore, deliver, type OnChunk } from './deliver.ts';
import type {
  ChunkId,
  ChunkResult,
  ChunkStore,
  StoreCallOptions,
  WritableChunkStore,
} from './store.ts';
import { WriteBack } from './write-back.ts';

/**
 * Inclusive range of ids by their leading digits: `first` and `last` are lower-case hex of the same
 * length, one digit or more. An id with fewer digits is in no range.
 */
export interface IdRange {
  readonly first: string;
  readonly last: string;
}

export interface Route {
  readonly range: IdRange;
  readonly store: ChunkStore;
}

export interface Pool {
  readonly name: string;
  readonly routes: readonly Route[];
  /** Where chunks of other pools are written back to; such a pool's stores take chunks. */
  readonly cache: boolean;
}

export interface RouteOptions {
  /** Pools to look in, in order. */
  readonly lookup: readonly Pool[];
  /** Pools to write back to. Default none. */
  readonly cache?: readonly Pool[];
  /** Checks chunks before they are written back; default BLAKE2b on the JS thread. */
  readonly digest?: DigestFunction | undefined;
  /** Replaced in tests. */
  readonly random?: () => number;
  readonly now?: () => number;
}

/** Range of all ids. */
export const ALL_IDS: IdRange = { first: '0', last: 'f' };

// Long enough that a dead host's connect timeout is not paid per chunk, short enough to come back.
const SUSPECT_MS = 10_000;
// One call's groups, one per destination; more destinations than this wait for each other.
const CONCURRENCY = 8;

interface Candidate {
  readonly store: ChunkStore;
  readonly range: IdRange;
  readonly pool: Pool;
}

/** Chunks of one call that are still looked for; all move on to their next candidate after a round. */
class Search {
  readonly candidates: readonly Candidate[];
  /** Index of the candidate that each is asked from next. */
  readonly turns: Map<ChunkId, number>;
  readonly errors = new Map<ChunkId, unknown[]>();

  constructor(candidates: readonly Candidate[], turns: Map<ChunkId, number>) {
    this.candidates = candidates;
    this.turns = turns;
  }

  /** Notes what a candidate gave; true when it is the chunk. */
  take(result: ChunkResult): boolean {
    if ('bytes' in result) {
      this.turns.delete(result.id);
      return true;
    }
    const errors = this.errors.get(result.id);
    if (errors === undefined) this.errors.set(result.id, [result.error]);
    else errors.push(result.error);
    return false;
  }
}

export class RouteStore implements DeliveringStore {
  readonly name: string;
  readonly #lookup: readonly Pool[];
  readonly #cache: readonly Pool[];
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #suspectUntil = new Map<ChunkStore, number>();
  readonly #writeBack: WriteBack;

  constructor(options: RouteOptions) {
    this.#lookup = options.lookup;
    this.#cache = options.cache ?? [];
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? (() => performance.now());
    this.#writeBack = new WriteBack(options.digest);
    const names = new Set(this.#stores(this.#lookup).map((store) => store.name));
    this.name = [...names].join(', ') || 'no store';
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    const errors: unknown[] = [];
    for (const candidate of this.#candidates()) {
      if (!isInRange(id, candidate.range)) continue;
      throwIfAborted(options.signal);
      options.onAsk?.(candidate.store.name, [id]);
      try {
        const bytes = await candidate.store.get(id, options);
        this.#succeeded(candidate, id, bytes);
        return bytes;
      } catch (error) {
        throwIfAborted(options.signal);
        this.#failed(candidate, error);
        errors.push(error);
      }
    }
    throw this.#failureOf(id, errors);
  }

  async *getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    const search = this.#search(ids);
    while (search.turns.size > 0) {
      const { groups, lost } = this.#nextRound(search);
      yield* lost;
      for await (const result of this.#round(groups, options)) {
        if (search.take(result)) yield result;
      }
    }
  }

  async deliver(
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<void> {
    const search = this.#search(ids);
    while (search.turns.size > 0) {
      throwIfAborted(options.signal);
      const { groups, lost } = this.#nextRound(search);
      for (const result of lost) onChunk(result);
      const onResult = (result: ChunkResult): void => {
        if (search.take(result)) onChunk(result);
      };
      const calls = [...groups].map(([candidate, group]) =>
        this.#deliverGroup(candidate, group, options, onResult),
      );
      await Promise.all(calls);
    }
  }

  /** @throws the error of a store that could not say, unless another has what it was asked for */
  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    const absent = new Set(ids);
    const unknown = new Map<ChunkId, unknown>();
    for (const candidate of this.#candidates()) {
      const group = [...absent].filter((id) => isInRange(id, candidate.range));
      if (group.length === 0) continue;
      throwIfAborted(options.signal);
      try {
        const missing = new Set(await candidate.store.missing(group, options));
        for (const id of group) {
          if (!missing.has(id)) absent.delete(id);
        }
      } catch (error) {
        throwIfAborted(options.signal);
        this.#failed(candidate, error);
        for (const id of group) unknown.set(id, error);
      }
    }
    const errors = [...absent].flatMap((id) => (unknown.has(id) ? [unknown.get(id)] : []));
    if (errors.length > 0) throw mostInformative([...new Set(errors)]);
    return [...absent];
  }

  /** Resolves when all chunks read so far are written back. */
  async settled(): Promise<void> {
    await this.#writeBack.settled();
  }

  async close(): Promise<void> {
    await this.#writeBack.close();
    const stores = this.#stores([...this.#lookup, ...this.#cache]);
    await Promise.all(stores.map((store) => store.close()));
  }

  async *#round(groups: ReadonlyMap<Candidate, readonly ChunkId[]>, options: StoreCallOptions) {
    const tasks = [...groups].map(
      ([candidate, ids]): Task<ChunkResult> =>
        (signal) =>
          this.#group(candidate, ids, options, signal),
    );
    yield* mergeParallel(tasks, { concurrency: CONCURRENCY, signal: options.signal });
  }

  async *#group(
    candidate: Candidate,
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    signal: AbortSignal,
  ): AsyncGenerator<ChunkResult, void, void> {
    const owed = new Set(ids);
    options.onAsk?.(candidate.store.name, ids);
    try {
      for await (const result of candidate.store.getMany(ids, { signal })) {
        owed.delete(result.id);
        if ('error' in result) this.#failed(candidate, result.error);
        else this.#succeeded(candidate, result.id, result.bytes);
        yield result;
      }
    } catch (error) {
      throwIfAborted(options.signal);
      this.#failed(candidate, error);
      for (const id of owed) yield { id, error };
    }
  }

  // Never rejects unless the call is aborted.
  async #deliverGroup(
    candidate: Candidate,
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<void> {
    const owed = new Set(ids);
    options.onAsk?.(candidate.store.name, ids);
    try {
      await deliver(candidate.store, ids, { ...options, onAsk: undefined }, (result) => {
        owed.delete(result.id);
        if ('error' in result) this.#failed(candidate, result.error);
        else this.#succeeded(candidate, result.id, result.bytes);
        onChunk(result);
      });
    } catch (error) {
      throwIfAborted(options.signal);
      this.#failed(candidate, error);
      for (const id of owed) onChunk({ id, error });
    }
  }

  #search(ids: readonly ChunkId[]): Search {
    const candidates = this.#candidates();
    const turns = new Map<ChunkId, number>();
    for (const id of ids) turns.set(id, nextMatch(candidates, id, 0));
    return new Search(candidates, turns);
  }

  /** Who is asked for what next; chunks that nobody is left for are `lost`. */
  #nextRound(search: Search): { groups: Map<Candidate, ChunkId[]>; lost: ChunkResult[] } {
    const groups = new Map<Candidate, ChunkId[]>();
    const lost: ChunkResult[] = [];
    for (const [id, turn] of search.turns) {
      const candidate = search.candidates[turn];
      if (candidate === undefined) {
        search.turns.delete(id);
        lost.push({ id, error: this.#failureOf(id, search.errors.get(id) ?? []) });
        continue;
      }
      search.turns.set(id, nextMatch(search.candidates, id, turn + 1));
      const group = groups.get(candidate);
      if (group === undefined) groups.set(candidate, [id]);
      else group.push(id);
    }
    return { groups, lost };
  }

  /** All destinations in the order of this call, suspects last. */
  #candidates(): Candidate[] {
    const all = this.#lookup.flatMap((pool) =>
      shuffled(pool.routes, this.#random).map(({ store, range }) => ({ store, range, pool })),
    );
    const now = this.#now();
    const isSuspect = ({ store }: Candidate) => (this.#suspectUntil.get(store) ?? 0) > now;
    return [...all.filter((c) => !isSuspect(c)), ...all.filter(isSuspect)];
  }

  #succeeded(candidate: Candidate, id: ChunkId, bytes: Uint8Array): void {
    this.#suspectUntil.delete(candidate.store);
    if (candidate.pool.cache) return;
    const destinations = this.#cache.flatMap((pool) => {
      const route = pool.routes.find(({ range }) => isInRange(id, range));
      return route !== undefined && 'put' in route.store ? [route.store as WritableChunkStore] : [];
    });
    this.#writeBack.add(destinations, id, bytes);
  }

  #failed(candidate: Candidate, error: unknown): void {
    if (isG8Error(error) && error.retryable) {
      this.#suspectUntil.set(candidate.store, this.#now() + SUSPECT_MS);
    }
  }

  #failureOf(id: ChunkId, errors: readonly unknown[]): unknown {
    if (errors.length === 1) return errors[0];
    if (errors.some((error) => !isG8Error(error, 'ERR_CHUNK_MISSING'))) {
      return mostInformative(errors, id);
    }
    const message =
      errors.length === 0
        ? `No store is configured for chunk ${id}`
        : `Chunk ${id} is in none of ${this.name}`;
    return new G8Error('ERR_CHUNK_MISSING', message, { details: { id } });
  }

  #stores(pools: readonly Pool[]): ChunkStore[] {
    return [...new Set(pools.flatMap((pool) => pool.routes.map((route) => route.store)))];
  }
}

export function isInRange(id: ChunkId, range: IdRange): boolean {
  if (id.length < range.first.length) return false;
  const digits = id.slice(0, range.first.length);
  return range.first <= digits && digits <= range.last;
}

function nextMatch(candidates: readonly Candidate[], id: ChunkId, from: number): number {
  let index = from;
  while (index < candidates.length && !isInRange(id, (candidates[index] as Candidate).range)) {
    index++;
  }
  return index;
}

/**
 * Of several failures the one that helps most: what may pass says that trying again can help; then
 * what someone can mend; "missing" comes last, since another store could not say.
 */
function mostInformative(errors: readonly unknown[], id?: ChunkId): unknown {
  const ranked = [...errors].sort((a, b) => rankOf(a) - rankOf(b));
  const best = ranked[0];
  if (!isG8Error(best) || errors.length === 1) return best;
  return new G8Error(best.code, best.message, {
    cause: new AggregateError(errors, `${plural(errors.length, 'store')} failed`),
    details: id === undefined ? best.details : { ...best.details, id },
  });
}

function rankOf(error: unknown): number {
  if (!isG8Error(error)) return 0; // A bug: never hide it behind a failure of the network.
  if (CODES[error.code].retryable) return 1;
  if (error.code === 'ERR_CHUNK_MISSING') return 5;
  if (error.code === 'ERR_CONFIG') return 4;
  return error.code === 'ERR_PERMISSION' ? 2 : 3;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
