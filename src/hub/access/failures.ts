/** Bounds how often an address may guess: credentials that were wrong count, right ones do not. */
import { LRUCache } from 'lru-cache';
import { Problem } from '../problem.ts';

/** Addresses that are remembered; who has more of them than this can guess more often. */
const ADDRESS_COUNT_MAX = 50_000;
const WINDOW_MS = 60_000;

export class FailureBound {
  readonly #countMax: number;
  readonly #now: () => number;
  readonly #windows = new LRUCache<string, { count: number; endMs: number }>({
    max: ADDRESS_COUNT_MAX,
  });

  /** @param countMax failures in a minute */
  constructor(countMax: number, now: () => number = Date.now) {
    this.#countMax = countMax;
    this.#now = now;
  }

  /** @throws Problem 429 with the seconds to wait */
  assertFree(address: string): void {
    const window = this.#windows.get(address);
    const now = this.#now();
    if (window === undefined || window.endMs <= now || window.count < this.#countMax) return;
    const seconds = Math.ceil((window.endMs - now) / 1000);
    throw new Problem(429, 'Too many wrong credentials from this address', {
      'retry-after': String(seconds),
    });
  }

  add(address: string): void {
    const now = this.#now();
    const window = this.#windows.get(address);
    if (window === undefined || window.endMs <= now) {
      this.#windows.set(address, { count: 1, endMs: now + WINDOW_MS });
    } else {
      window.count++;
    }
  }
}
