/**
 * Bounds how many requests an address, and a user wherever they are, may make: a minute's worth at once, and then as
 * many as time gives back. Each hub counts for itself.
 */
import { LRUCache } from 'lru-cache';
import { Problem } from '../problem.ts';

/** Addresses and users that are remembered; who has more addresses than this is not bounded by them. */
const KEY_COUNT_MAX = 50_000;
const MINUTE_MS = 60_000;

interface Account {
  /** Requests that may be made at `atMs`. */
  left: number;
  atMs: number;
}

export class RequestBound {
  readonly #countMax: number;
  readonly #now: () => number;
  readonly #accounts = new LRUCache<string, Account>({ max: KEY_COUNT_MAX });

  /** @param countMax requests in a minute; 0 for any number */
  constructor(countMax: number, now: () => number = () => performance.now()) {
    this.#countMax = countMax;
    this.#now = now;
  }

  /** Counts a request. @throws Problem 429 with the seconds to wait */
  take(kind: 'address' | 'user', name: string): void {
    const countMax = this.#countMax;
    if (countMax === 0) return;
    const key = `${kind} ${name}`;
    const now = this.#now();
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = { left: countMax, atMs: now };
      this.#accounts.set(key, account);
    }
    const gained = ((now - account.atMs) * countMax) / MINUTE_MS;
    account.left = Math.min(countMax, account.left + gained);
    account.atMs = now;
    if (account.left >= 1) {
      account.left--;
      return;
    }
    const seconds = Math.ceil(((1 - account.left) * MINUTE_MS) / countMax / 1000);
    throw new Problem(429, `Too many requests from this ${kind}`, {
      'retry-after': String(seconds),
    });
  }
}
