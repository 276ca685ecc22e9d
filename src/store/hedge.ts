/** When a second store is asked because the first is silent, and how often at most. */
import type { StoreHealth } from './health.ts';

/** Below, a busy moment of this machine would count as silence of a store. */
const PATIENCE_MS_MIN = 50;
/** Half of what a connection may be idle: another store is asked before the first is given up. */
const PATIENCE_MS_MAX = 4_000;
/** While too little is known of a store. */
const PATIENCE_MS_UNKNOWN = 1_000;
/** Extra calls for each call: the slowest twentieth is what they are for. */
const SHARE = 0.05;
/** Extra calls in a row: some readers get past a store that has just stopped, until its circuit opens. */
const BURST = 8;

/** How long a store may be silent before the next one is asked as well, in milliseconds. */
export function patienceMs({ p95Ms }: StoreHealth): number {
  if (p95Ms === undefined) return PATIENCE_MS_UNKNOWN;
  return Math.min(PATIENCE_MS_MAX, Math.max(PATIENCE_MS_MIN, p95Ms));
}

/** Bounds extra calls to a share of all, so that a slow time is not made slower. */
export class HedgeBudget {
  #credit = BURST;

  /** A call that would have been made anyway. */
  earn(): void {
    this.#credit = Math.min(BURST, this.#credit + SHARE);
  }

  /** Whether an extra call may be made; it counts then. */
  take(): boolean {
    if (this.#credit < 1) return false;
    this.#credit--;
    return true;
  }
}
