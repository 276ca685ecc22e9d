/**
 * A store that is asked again: failures that may pass are retried with growing delays.
 *
 * It goes around the outermost store of a stack, a route for example, so that every attempt may find
 * another destination. Each delay is published on the channel `g8ufs:store:retry`.
 */
import { channel } from 'node:diagnostics_channel';
import { abortError, throwIfAborted } from '../base/abort.ts';
import { type G8Error, isG8Error } from '../base/errors.ts';
import {
  type RetryClock,
  type RetryPolicy,
  retry,
  retryDelayMs,
  SYSTEM_CLOCK,
} from '../base/retry.ts';
import { type DeliveringStore, deliver, type OnChunk } from './deliver.ts';
import { healthOf, type ReportingStore, type StoreReport } from './health.ts';
import { RetryBudget } from './retry-budget.ts';
import type {
  ChunkId,
  ChunkResult,
  ChunkStore,
  StoreCallOptions,
  WritableChunkStore,
} from './store.ts';

/** Reads that somebody waits for: four attempts within the deadline of a read request. */
export const READ_RETRY: RetryPolicy = {
  attemptCount: 4,
  delayMsMin: 100,
  delayMsMax: 2_000,
  totalMs: 30_000,
};

/**
 * Reads of a mount, which say themselves for how long they wait: whatever passes within their deadline, a hub
 * that restarts for example, is no error. How often a store is asked meanwhile, its circuit and the budget bound.
 *
 * @param deadlineMs of a read
 */
export function retryUntil(deadlineMs: number): RetryPolicy {
  const attemptCount = Number.POSITIVE_INFINITY;
  return { attemptCount, delayMsMin: 100, delayMsMax: 1_000, totalMs: deadlineMs };
}

/** Uploads and other work in the background: patient enough for a restarting hub. */
export const TRANSFER_RETRY: RetryPolicy = {
  attemptCount: 7,
  delayMsMin: 200,
  delayMsMax: 10_000,
  totalMs: 300_000,
};

const retryChannel = channel('g8ufs:store:retry');

/** The store with retries. Writing is offered when the store offers it. */
export function withRetry(
  store: WritableChunkStore,
  policy?: RetryPolicy,
  clock?: RetryClock,
): WritableChunkStore;
export function withRetry(store: ChunkStore, policy?: RetryPolicy, clock?: RetryClock): ChunkStore;
export function withRetry(
  store: ChunkStore | WritableChunkStore,
  policy: RetryPolicy = READ_RETRY,
  clock: RetryClock = SYSTEM_CLOCK,
): ChunkStore {
  return 'put' in store
    ? new WritableRetryStore(store, policy, clock)
    : new RetryStore(store, policy, clock);
}

class RetryStore<S extends ChunkStore> implements DeliveringStore, ReportingStore {
  readonly name: string;
  protected readonly store: S;
  readonly #policy: RetryPolicy;
  readonly #clock: RetryClock;
  readonly #budget = new RetryBudget();

  constructor(store: S, policy: RetryPolicy, clock: RetryClock) {
    this.name = store.name;
    this.store = store;
    this.#policy = policy;
    this.#clock = clock;
  }

  get takesBatches(): boolean {
    return this.store.takesBatches === true;
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    return await this.retried(`Chunk ${id} from ${this.name}`, options, (signal) =>
      this.store.get(id, { ...options, signal }),
    );
  }

  async *getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    const end = this.#clock.now() + this.#policy.totalMs;
    let pending = new Set(ids);
    for (let attempt = 1; pending.size > 0; attempt++) {
      throwIfAborted(options.signal);
      const failed = new Map<ChunkId, unknown>();
      for await (const result of this.#round(pending, options)) {
        if ('error' in result && isRetryable(result.error)) failed.set(result.id, result.error);
        else yield result;
      }
      if (!(await this.#pause(attempt, end, failed, options))) {
        for (const [id, error] of failed) yield { id, error };
        return;
      }
      pending = new Set(failed.keys());
    }
  }

  async deliver(
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<void> {
    const end = this.#clock.now() + this.#policy.totalMs;
    let pending = new Set(ids);
    for (let attempt = 1; pending.size > 0; attempt++) {
      throwIfAborted(options.signal);
      const failed = await this.#pass(pending, options, onChunk);
      if (!(await this.#pause(attempt, end, failed, options))) {
        for (const [id, error] of failed) onChunk({ id, error });
        return;
      }
      pending = new Set(failed.keys());
    }
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    return await this.retried(`Presence in ${this.name}`, options, (signal) =>
      this.store.missing(ids, { signal }),
    );
  }

  async close(): Promise<void> {
    await this.store.close();
  }

  protected async retried<T>(
    what: string,
    options: StoreCallOptions,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const result = await retry(
      {
        policy: this.#policy,
        clock: this.#clock,
        signal: options.signal,
        what,
        extraDelayMs: (error) => this.#turnMs(error),
        onRetry: (event) => retryChannel.publish({ store: this.name, ...event }),
      },
      run,
    );
    this.#budget.earn();
    return result;
  }

  /** How the stores behind it do, as far as they say. */
  health(): StoreReport[] {
    return healthOf(this.store);
  }

  /** Waits before another attempt; false when there is none to be made. */
  async #pause(
    attempt: number,
    end: number,
    failed: ReadonlyMap<ChunkId, unknown>,
    options: StoreCallOptions,
  ): Promise<boolean> {
    const error = [...failed.values()][0] as G8Error | undefined;
    if (error === undefined) {
      this.#budget.earn();
      return false;
    }
    if (attempt >= this.#policy.attemptCount) return false;
    const jitteredMs = retryDelayMs(this.#policy, attempt, error, this.#clock);
    const delayMs = Math.max(jitteredMs, this.#turnMs(error));
    if (this.#clock.now() + delayMs >= end) return false;
    retryChannel.publish({ store: this.name, attempt, delayMs, error });
    await this.#clock.sleep(delayMs, options.signal);
    return true;
  }

  /** Until this store may be asked again at all. */
  #turnMs(error: G8Error): number {
    // An open circuit has asked nobody.
    return error.details['notAsked'] === true ? 0 : this.#budget.take(this.#clock.now());
  }

  // Hands over what came or failed for good; the rest with its errors.
  async #pass(
    pending: ReadonlySet<ChunkId>,
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<Map<ChunkId, unknown>> {
    const owed = new Set(pending);
    const failed = new Map<ChunkId, unknown>();
    const fail = (id: ChunkId, error: unknown): void => {
      if (isRetryable(error)) failed.set(id, error);
      else onChunk({ id, error });
    };
    try {
      await deliver(this.store, [...pending], options, (result) => {
        owed.delete(result.id);
        if ('error' in result) fail(result.id, result.error);
        else onChunk(result);
      });
    } catch (error) {
      throwIfAborted(options.signal);
      for (const id of owed) fail(id, error);
    }
    return failed;
  }

  // One pass over the ids that are left. If the pass as a whole fails, each id it owed has failed.
  async *#round(pending: ReadonlySet<ChunkId>, options: StoreCallOptions) {
    const owed = new Set(pending);
    try {
      for await (const result of this.store.getMany([...pending], options)) {
        owed.delete(result.id);
        yield result;
      }
    } catch (error) {
      if (options.signal?.aborted) throw abortError(options.signal);
      for (const id of owed) yield { id, error };
    }
  }
}

class WritableRetryStore extends RetryStore<WritableChunkStore> implements WritableChunkStore {
  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    await this.retried(`Chunk ${id} to ${this.name}`, options, (signal) =>
      this.store.put(id, bytes, { signal }),
    );
  }
}

function isRetryable(error: unknown): boolean {
  return isG8Error(error) && error.retryable;
}
