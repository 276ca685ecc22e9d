/** Nanoseconds since 1970, never the same twice and never going back. */

/** The system's clock was set: what is measured from the start does not hold any more. */
const DRIFT_NS_MAX = 50_000_000n;
const NS_PER_MS = 1_000_000n;

export class EpochClock {
  #offset = 0n;
  #last = 0n;

  now(): bigint {
    const wall = BigInt(Date.now()) * NS_PER_MS;
    const ticks = process.hrtime.bigint();
    const drift = wall - (ticks + this.#offset);
    if (drift > DRIFT_NS_MAX || drift < -DRIFT_NS_MAX) this.#offset = wall - ticks;
    const now = ticks + this.#offset;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return this.#last;
  }
}
