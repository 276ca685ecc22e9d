/**
 * Bounded concurrency with priorities. A lower priority may use only its share of the slots, so a
 * flood of background work never makes an urgent task wait for a slot.
 *
 * Concurrency: for one event loop. A task holds its slot from start to settlement; within one
 * priority the order is first come, first served.
 */
import { abortError } from './abort.ts';
import { G8Error } from './errors.ts';

export interface LimiterOptions {
  /**
   * Slots that tasks of each priority may use, most urgent first and never increasing:
   * `[16, 12, 8]` runs 16 tasks at most, of which at most 8 of priority 2.
   */
  readonly shares: readonly number[];
  /** Tasks that may wait over all priorities; more are refused. */
  readonly queueCountMax: number;
}

export interface LimiterRunOptions {
  /** Index into the shares, 0 is the most urgent. */
  readonly priority: number;
  /** Ends the wait for a slot; the task itself gets no signal from here. */
  readonly signal?: AbortSignal | undefined;
  /** Receives a function that makes the task more urgent while it still waits. */
  readonly onQueued?: (raise: (priority: number) => void) => void;
}

interface Waiter {
  priority: number;
  readonly start: () => void;
}

export class Limiter {
  readonly #shares: readonly number[];
  readonly #queueCountMax: number;
  readonly #queues: Set<Waiter>[];
  #running = 0;
  #waiting = 0;

  constructor(options: LimiterOptions) {
    if (options.shares.length === 0 || options.shares.some((share) => share < 1)) {
      throw new RangeError('Every priority needs at least one slot');
    }
    this.#shares = options.shares;
    this.#queueCountMax = options.queueCountMax;
    this.#queues = options.shares.map(() => new Set());
  }

  /** Tasks that run now. */
  get running(): number {
    return this.#running;
  }

  /** Tasks that wait for a slot. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Runs the task as soon as a slot is free.
   *
   * @throws ERR_STORE_UNAVAILABLE when too many tasks wait, ERR_ABORTED when the signal ends the wait
   */
  async run<T>(task: () => Promise<T>, options: LimiterRunOptions): Promise<T> {
    await this.#acquire(options);
    try {
      return await task();
    } finally {
      this.#running--;
      this.#startNext();
    }
  }

  #acquire({ priority, signal, onQueued }: LimiterRunOptions): Promise<void> {
    const share = this.#shares[priority];
    if (share === undefined) throw new RangeError(`No share for priority ${priority}`);
    if (signal?.aborted) return Promise.reject(abortError(signal));
    if (this.#running < share) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting >= this.#queueCountMax) {
      const details = { waiting: this.#waiting };
      return Promise.reject(
        new G8Error('ERR_STORE_UNAVAILABLE', 'Too many requests are waiting', { details }),
      );
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(waiter);
        reject(abortError(signal as AbortSignal));
      };
      const waiter: Waiter = {
        priority,
        start: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queues[priority]?.add(waiter);
      this.#waiting++;
      onQueued?.((urgent) => this.#raise(waiter, urgent));
    });
  }

  #raise(waiter: Waiter, priority: number): void {
    const queue = this.#queues[priority];
    if (queue === undefined || priority >= waiter.priority) return;
    if (this.#queues[waiter.priority]?.delete(waiter) !== true) return;
    waiter.priority = priority;
    queue.add(waiter);
    this.#startNext();
  }

  #remove(waiter: Waiter): void {
    if (this.#queues[waiter.priority]?.delete(waiter) === true) this.#waiting--;
  }

  #startNext(): void {
    for (const [priority, queue] of this.#queues.entries()) {
      for (const waiter of queue) {
        if (this.#running >= (this.#shares[priority] as number)) break;
        this.#remove(waiter);
        this.#running++;
        waiter.start();
      }
    }
  }
}
