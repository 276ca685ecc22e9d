/**
 * Looks for chunks in several stores: each chunk goes from store to store until one has it. A store that is silent
 * for longer than it usually is, or whose circuit opens meanwhile, is not waited for: the next one is asked as well,
 * the first answer counts, and whoever is not needed any more is told to stop.
 *
 * Concurrency: for one event loop; one object for one call.
 */
import { abortError, createAbortController, throwIfAborted } from '../base/abort.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { deliver, type OnChunk } from './deliver.ts';
import { failureOf } from './failure-of.ts';
import { isTrouble, type StoreCall, type StoreHealth } from './health.ts';
import { type HedgeBudget, patienceMs } from './hedge.ts';
import { type IdRange, isInRange } from './id-range.ts';
import type { ChunkId, ChunkResult, ChunkStore, StoreCallOptions } from './store.ts';

export interface Candidate {
  readonly store: ChunkStore;
  readonly range: IdRange;
  readonly health: StoreHealth;
}

export interface SearchOptions<C extends Candidate> {
  /** Of all stores together, for messages. */
  readonly name: string;
  /** In the order to ask them. */
  readonly candidates: readonly C[];
  readonly budget: HedgeBudget;
  readonly call: StoreCallOptions;
  readonly onFound: (candidate: C, id: ChunkId, bytes: Uint8Array) => void;
  /** Gets one result for each chunk. */
  readonly onResult: OnChunk;
}

/** A chunk that is still looked for. */
interface Wanted {
  /** Index of the candidate from which on the next one is looked for. */
  turn: number;
  /** Calls under way that may bring it. */
  asks: number;
  readonly errors: unknown[];
}

/** One call to one store. */
interface Ask<C> {
  readonly candidate: C;
  readonly call: StoreCall;
  readonly owed: Set<ChunkId>;
  /** Chunks that it could not give. */
  readonly failed: ChunkId[];
  /** What it gave that was not what its id says. */
  readonly corrupt: G8Error[];
  readonly stop: AbortController;
  /** Made because another store was silent. */
  readonly isHedge: boolean;
  /** Others were asked because this one is silent. */
  isHedged: boolean;
  trouble: unknown;
  answers: number;
  lastAt: number;
  silenceMs: number;
  timer: NodeJS.Timeout | undefined;
  unlisten: () => void;
}

export class ChunkSearch<C extends Candidate> {
  readonly #options: SearchOptions<C>;
  readonly #wanted = new Map<ChunkId, Wanted>();
  readonly #asks = new Set<Ask<C>>();
  #onEnd: () => void = () => {};

  constructor(options: SearchOptions<C>) {
    this.#options = options;
  }

  /** @throws ERR_ABORTED, or the signal's own error, when the caller gives up */
  async find(ids: readonly ChunkId[]): Promise<void> {
    const { signal } = this.#options.call;
    throwIfAborted(signal);
    for (const id of ids) this.#wanted.set(id, { turn: 0, asks: 0, errors: [] });
    if (this.#wanted.size === 0) return;
    let onAbort = (): void => {};
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onEnd = resolve;
        onAbort = () => reject(abortError(signal as AbortSignal));
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#askNext([...this.#wanted.keys()], undefined);
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#wanted.clear();
      for (const ask of [...this.#asks]) {
        if (ask.owed.size === 0) this.#complete(ask);
        else this.#giveUp(ask);
      }
    }
  }

  /** Asks the next store of each chunk; what nobody is left for has failed, unless it is on its way. */
  #askNext(ids: readonly ChunkId[], silent: Ask<C> | undefined): void {
    const { candidates } = this.#options;
    const groups = new Map<number, ChunkId[]>();
    for (const id of ids) {
      const wanted = this.#wanted.get(id);
      if (wanted === undefined) continue;
      const turn = this.#nextTurn(id, wanted);
      wanted.turn = turn + 1;
      const group = groups.get(turn);
      if (turn >= candidates.length) this.#lose(id, wanted);
      else if (group === undefined) groups.set(turn, [id]);
      else group.push(id);
    }
    for (const [turn, group] of groups) this.#ask(candidates[turn] as C, group, silent);
  }

  #nextTurn(id: ChunkId, { turn }: Wanted): number {
    const { candidates } = this.#options;
    let next = turn;
    while (next < candidates.length && !isInRange(id, (candidates[next] as C).range)) next++;
    return next;
  }

  #ask(candidate: C, ids: readonly ChunkId[], silent: Ask<C> | undefined): void {
    const { call: options, budget } = this.#options;
    const { store, health } = candidate;
    let call: StoreCall;
    try {
      call = health.begin();
    } catch (error) {
      for (const id of ids) this.#wanted.get(id)?.errors.push(error);
      this.#askNext(ids, silent);
      return;
    }
    if (silent === undefined) budget.earn();
    else health.hedged();
    const ask: Ask<C> = {
      candidate,
      call,
      owed: new Set(ids),
      failed: [],
      corrupt: [],
      stop: createAbortController(),
      isHedge: silent !== undefined,
      isHedged: false,
      trouble: undefined,
      answers: 0,
      lastAt: performance.now(),
      silenceMs: 0,
      timer: undefined,
      unlisten: () => {},
    };
    this.#asks.add(ask);
    for (const id of ids) (this.#wanted.get(id) as Wanted).asks++;
    this.#watch(ask);
    options.onAsk?.(store.name, ids);
    this.#read(ask, ids).then(
      () => this.#ended(ask, undefined),
      (error: unknown) => this.#ended(ask, error),
    );
  }

  async #read(ask: Ask<C>, ids: readonly ChunkId[]): Promise<void> {
    const { store } = ask.candidate;
    const options = { signal: ask.stop.signal };
    const [only] = ids;
    if (only !== undefined && ids.length === 1) {
      this.#take(ask, { id: only, bytes: await store.get(only, options) });
    } else {
      await deliver(store, ids, options, (result) => this.#take(ask, result));
    }
  }

  #take(ask: Ask<C>, result: ChunkResult): void {
    const { id } = result;
    // Somebody else was faster, or nobody wants anything any more.
    if (!ask.owed.delete(id)) return;
    this.#heard(ask);
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) return;
    wanted.asks--;
    if ('error' in result) {
      this.#note(ask, result.error);
      wanted.errors.push(result.error);
      ask.failed.push(id);
      return;
    }
    ask.answers++;
    this.#found(ask, id, result.bytes);
  }

  #found(ask: Ask<C>, id: ChunkId, bytes: Uint8Array): void {
    const { onFound, onResult } = this.#options;
    if (ask.isHedge && ask.answers === 1) ask.candidate.health.hedgeWon();
    this.#wanted.delete(id);
    for (const other of [...this.#asks]) {
      if (other.owed.delete(id) && other.owed.size === 0) this.#giveUp(other);
    }
    onFound(ask.candidate, id, bytes);
    onResult({ id, bytes });
    if (this.#wanted.size === 0) this.#onEnd();
  }

  #lose(id: ChunkId, wanted: Wanted): void {
    if (wanted.asks > 0) return;
    this.#wanted.delete(id);
    const { name, onResult } = this.#options;
    onResult({ id, error: failureOf(id, wanted.errors, name) });
    if (this.#wanted.size === 0) this.#onEnd();
  }

  #ended(ask: Ask<C>, error: unknown): void {
    if (!this.#asks.delete(ask)) return;
    this.#unwatch(ask);
    this.#heard(ask);
    if (error !== undefined) this.#note(ask, error);
    const unanswered = error ?? notTold(ask.candidate.store);
    for (const id of ask.owed) {
      const wanted = this.#wanted.get(id) as Wanted;
      wanted.asks--;
      wanted.errors.push(unanswered);
      ask.failed.push(id);
    }
    ask.owed.clear();
    this.#settle(ask);
    this.#moveOn(ask);
  }

  /** Chunks that a store could not give go on to the next; in place of a silent one others need not be done. */
  #moveOn(ask: Ask<C>): void {
    const failed = ask.failed.splice(0);
    this.#askNext(
      failed.filter((id) => ask.isHedge || this.#wanted.get(id)?.asks === 0),
      ask.isHedge ? ask : undefined,
    );
  }

  #note(ask: Ask<C>, error: unknown): void {
    if (isG8Error(error, 'ERR_CHUNK_CORRUPT')) ask.corrupt.push(error);
    else if (isTrouble(error)) ask.trouble = error;
  }

  #heard(ask: Ask<C>): void {
    const now = performance.now();
    ask.silenceMs = Math.max(ask.silenceMs, now - ask.lastAt);
    ask.lastAt = now;
    ask.timer?.refresh();
  }

  /** Looks after a call as long as there is another store to ask. */
  #watch(ask: Ask<C>): void {
    const { candidates } = this.#options;
    if (candidates.at(-1) === ask.candidate) return;
    const { health } = ask.candidate;
    ask.timer = setTimeout(() => this.#hedge(ask, false), patienceMs(health));
    ask.unlisten = health.onOpen(() => this.#hedge(ask, true));
  }

  #unwatch(ask: Ask<C>): void {
    clearTimeout(ask.timer);
    ask.timer = undefined;
    ask.unlisten();
  }

  /** Asks the next store for what a silent one owes. @param isOpen its circuit has opened: nobody need save */
  #hedge(ask: Ask<C>, isOpen: boolean): void {
    this.#moveOn(ask);
    if (ask.isHedged || !this.#asks.has(ask)) return;
    const { candidates, budget } = this.#options;
    const ids = [...ask.owed].filter((id) => {
      const wanted = this.#wanted.get(id);
      return wanted?.asks === 1 && this.#nextTurn(id, wanted) < candidates.length;
    });
    if (ids.length === 0) return;
    if (!isOpen && !budget.take()) {
      ask.timer?.refresh();
      return;
    }
    ask.isHedged = true;
    this.#askNext(ids, ask);
  }

  /** A call that gave all it could ends by itself: its connection is used again. */
  #complete(ask: Ask<C>): void {
    this.#asks.delete(ask);
    this.#unwatch(ask);
    this.#settle(ask);
  }

  #settle(ask: Ask<C>): void {
    const { answers, trouble, call, silenceMs } = ask;
    // A store that gave something makes progress, however it ended.
    if (answers === 0 && trouble !== undefined) call.failed(trouble);
    else call.answered(silenceMs);
    this.#tellCorrupt(ask);
  }

  /** When the call has ended: that it answered would speak for the store again. */
  #tellCorrupt({ candidate, corrupt }: Ask<C>): void {
    for (const error of corrupt) candidate.health.corrupt(error);
  }

  /** Stops a call that nobody waits for. */
  #giveUp(ask: Ask<C>): void {
    if (!this.#asks.delete(ask)) return;
    this.#unwatch(ask);
    const { call, lastAt, candidate, stop } = ask;
    const isOverdue = performance.now() - lastAt >= patienceMs(candidate.health);
    if (isOverdue) call.overdue();
    else call.dropped();
    this.#tellCorrupt(ask);
    stop.abort();
    // What it could not give somebody else may have.
    this.#moveOn(ask);
  }
}

function notTold({ name }: ChunkStore): G8Error {
  return new G8Error('ERR_PROTOCOL', `Store ${name} did not answer for a chunk`, {
    details: { store: name },
  });
}
