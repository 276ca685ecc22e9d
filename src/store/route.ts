/**
 * One store made of many: pools of destinations, each for a range of chunk ids, tried in order.
 *
 * A pool's matching destinations are tried in random order, then the next pool's. A destination that
 * could not be reached lately is tried after all others, and for a while not at all when it keeps failing
 * (`health.ts`); while one is silent the next is asked as well (`search.ts`). The chunk is missing only if
 * everyone who could have it answered that it has not.
 */
import { throwIfAborted } from '../base/abort.ts';
import { blake2b } from '../base/blake2b.ts';
import { type G8Error, isG8Error } from '../base/errors.ts';
import { mergeParallel, type Task } from '../base/parallel.ts';
import type { DigestFunction } from './chunk-id.ts';
import type { DeliveringStore, OnChunk } from './deliver.ts';
import { failureOf, mostInformative } from './failure-of.ts';
import {
  HealthTable,
  isTrouble,
  type ReportingStore,
  type StoreCall,
  type StoreReport,
} from './health.ts';
import { HedgeBudget } from './hedge.ts';
import { type IdRange, isInRange } from './id-range.ts';
import { type Candidate, ChunkSearch } from './search.ts';
import type {
  ChunkId,
  ChunkResult,
  ChunkStore,
  StoreCallOptions,
  WritableChunkStore,
} from './store.ts';
import { withVerify } from './verify.ts';
import { WriteBack } from './write-back.ts';

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
  /** What is known of the stores, shared with other routes. Default its own. */
  readonly health?: HealthTable | undefined;
  /** Replaced in tests. */
  readonly random?: () => number;
}

// One call's groups, one per destination; more destinations than this wait for each other.
const CONCURRENCY = 8;

interface PoolCandidate extends Candidate {
  readonly pool: Pool;
}

/** Chunks of one call that are still looked for; all move on to their next candidate after a round. */
class Rounds {
  readonly candidates: readonly PoolCandidate[];
  /** Index of the candidate that each is asked from next. */
  readonly turns: Map<ChunkId, number>;
  readonly errors = new Map<ChunkId, unknown[]>();

  constructor(candidates: readonly PoolCandidate[], turns: Map<ChunkId, number>) {
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

export class RouteStore implements DeliveringStore, ReportingStore {
  readonly name: string;
  readonly #lookup: readonly Pool[];
  readonly #cache: readonly Pool[];
  readonly #random: () => number;
  readonly #health: HealthTable;
  readonly #budget = new HedgeBudget();
  readonly #digest: DigestFunction;
  readonly #writeBack: WriteBack;

  constructor(options: RouteOptions) {
    this.#lookup = options.lookup;
    this.#cache = options.cache ?? [];
    this.#random = options.random ?? Math.random;
    this.#health = options.health ?? new HealthTable();
    this.#digest = options.digest ?? blake2b;
    this.#writeBack = new WriteBack(options.digest);
    const names = new Set(this.#stores(this.#lookup).map((store) => store.name));
    this.name = [...names].join(', ') || 'no store';
  }

  /** Whichever store is asked. */
  get takesBatches(): boolean {
    const stores = this.#stores(this.#lookup);
    return stores.length > 0 && stores.every((store) => store.takesBatches === true);
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    let result: ChunkResult | undefined;
    await this.deliver([id], options, (given) => {
      result = given;
    });
    if (result !== undefined && 'bytes' in result) return result.bytes;
    throw result?.error;
  }

  async *getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    const search = this.#rounds(ids);
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
    const search = new ChunkSearch<PoolCandidate>({
      name: this.name,
      candidates: options.verify === true ? this.#verified() : this.#candidates(),
      budget: this.#budget,
      call: options,
      onFound: (candidate, id, bytes) => this.#found(candidate, id, bytes),
      onResult: onChunk,
    });
    await search.find(ids);
  }

  /** @throws the error of a store that could not say, unless another has what it was asked for */
  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    const absent = new Set(ids);
    const unknown = new Map<ChunkId, unknown>();
    for (const candidate of this.#candidates()) {
      const group = [...absent].filter((id) => isInRange(id, candidate.range));
      if (group.length === 0) continue;
      throwIfAborted(options.signal);
      let call: StoreCall | undefined;
      try {
        call = candidate.health.begin();
        const missing = new Set(await candidate.store.missing(group, options));
        call.answered();
        for (const id of group) {
          if (!missing.has(id)) absent.delete(id);
        }
      } catch (error) {
        call?.failed(error);
        throwIfAborted(options.signal);
        for (const id of group) unknown.set(id, error);
      }
    }
    const errors = [...absent].flatMap((id) => (unknown.has(id) ? [unknown.get(id)] : []));
    if (errors.length > 0) throw mostInformative([...new Set(errors)]);
    return [...absent];
  }

  /** How the stores to look in do. */
  health(): StoreReport[] {
    const names = new Set(this.#stores(this.#lookup).map(({ name }) => name));
    return [...names].map((name) => this.#health.of(name).report());
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

  async *#round(groups: ReadonlyMap<PoolCandidate, readonly ChunkId[]>, options: StoreCallOptions) {
    const tasks = [...groups].map(
      ([candidate, ids]): Task<ChunkResult> =>
        (signal) =>
          this.#group(candidate, ids, options, signal),
    );
    yield* mergeParallel(tasks, { concurrency: CONCURRENCY, signal: options.signal });
  }

  async *#group(
    candidate: PoolCandidate,
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    signal: AbortSignal,
  ): AsyncGenerator<ChunkResult, void, void> {
    const { store, health } = candidate;
    const owed = new Set(ids);
    let call: StoreCall | undefined;
    let trouble: unknown;
    const corrupt: G8Error[] = [];
    try {
      call = health.begin();
      options.onAsk?.(store.name, ids);
      for await (const result of store.getMany(ids, { signal })) {
        owed.delete(result.id);
        if ('bytes' in result) this.#found(candidate, result.id, result.bytes);
        else if (isTrouble(result.error)) trouble = result.error;
        else if (isG8Error(result.error, 'ERR_CHUNK_CORRUPT')) corrupt.push(result.error);
        yield result;
      }
      // Silence may be that of whoever takes the chunks.
      if (trouble === undefined) call.answered();
      else call.failed(trouble);
    } catch (error) {
      call?.failed(error);
      throwIfAborted(options.signal);
      for (const id of owed) yield { id, error };
    } finally {
      call?.dropped();
      // Behind its answer, which would speak for the store again.
      for (const error of corrupt) health.corrupt(error);
    }
  }

  #rounds(ids: readonly ChunkId[]): Rounds {
    const candidates = this.#candidates();
    const turns = new Map<ChunkId, number>();
    for (const id of ids) turns.set(id, nextMatch(candidates, id, 0));
    return new Rounds(candidates, turns);
  }

  /** Who is asked for what next; chunks that nobody is left for are `lost`. */
  #nextRound(search: Rounds): { groups: Map<PoolCandidate, ChunkId[]>; lost: ChunkResult[] } {
    const groups = new Map<PoolCandidate, ChunkId[]>();
    const lost: ChunkResult[] = [];
    for (const [id, turn] of search.turns) {
      const candidate = search.candidates[turn];
      if (candidate === undefined) {
        search.turns.delete(id);
        lost.push({ id, error: failureOf(id, search.errors.get(id) ?? [], this.name) });
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
  #candidates(): PoolCandidate[] {
    const all = this.#lookup.flatMap((pool) =>
      shuffled(pool.routes, this.#random).map(({ store, range }) => {
        return { store, range, pool, health: this.#health.of(store.name) };
      }),
    );
    return [...all.filter((c) => !c.health.isSuspect), ...all.filter((c) => c.health.isSuspect)];
  }

  /** The same, with checks that the bytes are those of the id. */
  #verified(): PoolCandidate[] {
    return this.#candidates().map((candidate) => {
      return { ...candidate, store: withVerify(candidate.store, this.#digest) };
    });
  }

  #found(candidate: PoolCandidate, id: ChunkId, bytes: Uint8Array): void {
    if (candidate.pool.cache) return;
    const destinations = this.#cache.flatMap((pool) => {
      const route = pool.routes.find(({ range }) => isInRange(id, range));
      return route !== undefined && 'put' in route.store ? [route.store as WritableChunkStore] : [];
    });
    this.#writeBack.add(destinations, id, bytes);
  }

  #stores(pools: readonly Pool[]): ChunkStore[] {
    return [...new Set(pools.flatMap((pool) => pool.routes.map((route) => route.store)))];
  }
}

function nextMatch(candidates: readonly Candidate[], id: ChunkId, from: number): number {
  let index = from;
  while (index < candidates.length && !isInRange(id, (candidates[index] as Candidate).range)) {
    index++;
  }
  return index;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
