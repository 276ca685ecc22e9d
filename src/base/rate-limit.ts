/**
 * Bounds a rate: who takes waits until everything taken before has had its time. Nothing is saved up while
 * nobody takes, so that there are no bursts. For one event loop.
 */
import { type RetryClock, SYSTEM_CLOCK } from './retry.ts';

export class RateLimit {
  readonly #perSecond: number;
  readonly #clock: Pick<RetryClock, 'now' | 'sleep'>;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** @param perSecond above 0 */
  constructor(perSecond: number, clock: Pick<RetryClock, 'now' | 'sleep'> = SYSTEM_CLOCK) {
    if (!(perSecond > 0)) throw new RangeError(`A rate of ${perSecond} lets nothing through`);
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  /** Waits for its turn; the amount itself delays only those who come later. @throws ERR_ABORTED */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const startMs = Math.max(now, this.#freeAtMs);
    this.#freeAtMs = startMs + (amount / this.#perSecond) * 1000;
    if (startMs > now) await this.#clock.sleep(startMs - now, signal);
  }
}
