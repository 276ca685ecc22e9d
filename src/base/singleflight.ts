/**
 * One load per key: whoever comes while it runs waits for it instead of starting another.
 *
 * The load is not tied to the first caller: it is abandoned when the last waiter has left, not when
 * the one who started it has.
 *
 * Concurrency: for one event loop. A flight leaves the table when it settles or is abandoned, so a
 * caller never joins a load that nobody wants any more.
 */
import { abortError } from './abort.ts';
import { Trail } from './trail.ts';

interface Waiter<V> {
  readonly resolve: (value: V) => void;
  readonly reject: (error: unknown) => void;
}

/** A load that is running. `owner` says on whose behalf, for callers that care. */
export class Flight<V> {
  readonly owner: unknown;
  /** Set by the leader when the load can be made more urgent while it is queued. */
  raise: ((priority: number) => void) | undefined;
  /** What the load waits for; the leader marks it. */
  readonly trail = new Trail();
  readonly #end: () => void;
  readonly #onAbandoned: () => void;
  readonly #waiters = new Set<Waiter<V>>();
  #ended = false;

  constructor(owner: unknown, end: () => void, onAbandoned: () => void) {
    this.owner = owner;
    this.#end = end;
    this.#onAbandoned = onAbandoned;
  }

  /** Settled or abandoned. */
  get ended(): boolean {
    return this.#ended;
  }

  /** @throws ERR_ABORTED (or the signal's own error), and whatever the load failed with */
  wait(signal?: AbortSignal): Promise<V> {
    if (signal?.aborted) {
      if (this.#waiters.size === 0) this.#abandon();
      return Promise.reject(abortError(signal));
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(abortError(signal as AbortSignal));
        if (this.#waiters.size === 0) this.#abandon();
      };
      const settle = (): void => signal?.removeEventListener('abort', onAbort);
      const waiter: Waiter<V> = {
        resolve: (value) => {
          settle();
          resolve(value);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  resolve(value: V): void {
    if (!this.#finish()) return;
    for (const waiter of this.#waiters) waiter.resolve(value);
    this.#waiters.clear();
  }

  reject(error: unknown): void {
    if (!this.#finish()) return;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  #abandon(): void {
    if (this.#finish()) this.#onAbandoned();
  }

  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.trail.end();
    this.#end();
    return true;
  }
}

/** Flights by key. Bounded by its users: each flight belongs to a task that holds a queue place. */
export class SingleFlight<V> {
  readonly #flights = new Map<string, Flight<V>>();

  /** Loads that are running. */
  get count(): number {
    return this.#flights.size;
  }

  find(key: string): Flight<V> | undefined {
    return this.#flights.get(key);
  }

  /**
   * Starts a flight that the caller has to settle.
   *
   * @param onAbandoned called when its last waiter has left
   */
  lead(key: string, owner: unknown, onAbandoned: () => void): Flight<V> {
    if (this.#flights.has(key)) throw new Error(`A load of ${key} is running`);
    const end = (): void => {
      this.#flights.delete(key);
    };
    const flight = new Flight<V>(owner, end, onAbandoned);
    this.#flights.set(key, flight);
    return flight;
  }
}
