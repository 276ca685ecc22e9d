/**
 * How often a store is asked again: a share of what succeeds, and some attempts a second in any case. What is above
 * waits for its turn, so that the readers of a store that is in trouble do not make it worse.
 */

/** Attempts a second whatever succeeds. */
const RATE_PER_S = 10;
/** Attempts in a row: what a full queue of calls needs once. */
const BURST = 20;
/** More for each call that succeeded. */
const SHARE = 0.2;

export class RetryBudget {
  #credit = BURST;
  #atMs: number | undefined;

  /** A call has succeeded. */
  earn(): void {
    this.#credit = Math.min(BURST, this.#credit + SHARE);
  }

  /** Takes one attempt. @returns milliseconds from `nowMs` on until it may be made */
  take(nowMs: number): number {
    const passedMs = nowMs - (this.#atMs ?? nowMs);
    this.#atMs = nowMs;
    this.#credit = Math.min(BURST, this.#credit + (passedMs * RATE_PER_S) / 1000) - 1;
    return this.#credit >= 0 ? 0 : (-this.#credit * 1000) / RATE_PER_S;
  }
}
