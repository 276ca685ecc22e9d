/**
 * How a store does, as those who ask it find: a circuit breaker, answer times, counters. One for each store,
 * shared by all mounts of a process that read from it.
 *
 * The circuit opens after some failures in a row; nobody asks the store then. After a pause, which doubles up to a
 * bound, one call is let through: it closes the circuit, or opens it again. Holds no timer.
 */
import { type ErrorCode, G8Error, isG8Error } from '../base/errors.ts';

/** Failures without an answer in between after which a store is left alone. */
const FAILURES_MAX = 3;
/** Different chunks: of one that is damaged readers ask again and again. They do not come in a row: good ones lie between them. */
const CORRUPT_MAX = 3;
/** Long enough to spare a server that starts, short enough that readers wait it out. */
const OPEN_MS_MIN = 500;
/** What readers wait at most, beyond the outage itself, until a store that came back is used. */
const OPEN_MS_MAX = 5_000;
/** A server may ask for a longer pause than that, but not for any. */
const ASKED_MS_MAX = 30_000;
/** A store that failed is asked after all others for as long: a dead host's timeout is not paid per chunk. */
const SUSPECT_MS = 10_000;
/** While the one call is under way, others look again after this. */
const PROBE_LOOK_MS = 250;
/** Silences that are remembered: some seconds of a busy store, and quickly sorted. */
const SILENCE_COUNT = 64;
/** Fewer say nothing of the slowest twentieth. */
const SILENCE_COUNT_MIN = 20;

/** What says that a store itself is in trouble. An answer that a chunk is missing or private does not. */
const TROUBLE: readonly ErrorCode[] = [
  'ERR_STORE_UNAVAILABLE',
  'ERR_HOST_UNKNOWN',
  'ERR_TIMEOUT',
  'ERR_PROTOCOL',
];

/** Whether a failure is one of the store, and not an answer about one chunk or an end by the caller. */
export function isTrouble(error: unknown): error is G8Error {
  return isG8Error(error) && TROUBLE.includes(error.code);
}

export const CIRCUITS = ['closed', 'open', 'half-open'] as const;
export type Circuit = (typeof CIRCUITS)[number];

/** A store in figures. Counters only grow. */
export interface StoreReport {
  readonly store: string;
  readonly circuit: Circuit;
  readonly calls: number;
  readonly failures: number;
  /** Times that the circuit opened. */
  readonly opened: number;
  /** Calls that were not made because it was open. */
  readonly refused: number;
  /** Calls to this store because another one was silent for long, and those that answered first. */
  readonly hedges: number;
  readonly hedgesWon: number;
  readonly corrupt: number;
  /** Silence of this length or less before an answer goes on, for 19 calls of 20; null while that is unknown. */
  readonly p95Ms: number | null;
  /** Code of the last failure; null when there was none. */
  readonly lastError: string | null;
}

/** One call to a store. Exactly one of its methods ends it; more calls do nothing. */
export interface StoreCall {
  /** @param silenceMs the longest wait for a piece of the answer; absent: it says nothing of the store */
  answered(silenceMs?: number): void;
  failed(error: unknown): void;
  /** Given up without an answer, because another store had one or because time was up. */
  overdue(): void;
  /** Given up for a reason of the caller. */
  dropped(): void;
}

export class StoreHealth {
  readonly name: string;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  readonly #silences: number[] = [];
  #nextSilence = 0;
  #p95: number | undefined;
  #failuresInRow = 0;
  #workedAt = Number.NEGATIVE_INFINITY;
  readonly #corruptSince = new Set<unknown>();
  #suspectUntil = Number.NEGATIVE_INFINITY;
  #openUntil: number | undefined;
  #openMs = OPEN_MS_MIN;
  #probing = false;
  #lastError: G8Error | undefined;
  #calls = 0;
  #failures = 0;
  #opened = 0;
  #refused = 0;
  #hedges = 0;
  #hedgesWon = 0;
  #corrupt = 0;

  constructor(name: string, now: () => number = () => performance.now()) {
    this.name = name;
    this.#now = now;
  }

  /** Whether it failed lately: others are asked first. */
  get isSuspect(): boolean {
    return this.#openUntil !== undefined || this.#suspectUntil > this.#now();
  }

  get circuit(): Circuit {
    if (this.#openUntil === undefined) return 'closed';
    return this.#probing || this.#now() >= this.#openUntil ? 'half-open' : 'open';
  }

  /** Slowest silence of 19 calls of 20, in milliseconds; `undefined` while that is unknown. */
  get p95Ms(): number | undefined {
    if (this.#silences.length < SILENCE_COUNT_MIN) return undefined;
    if (this.#p95 === undefined) {
      const sorted = [...this.#silences].sort((a, b) => a - b);
      this.#p95 = sorted[Math.ceil(sorted.length * 0.95) - 1] as number;
    }
    return this.#p95;
  }

  /**
   * Begins a call.
   *
   * @throws the last failure, with `retryAfterMs` in its details, while the circuit is open; ERR_STORE_UNAVAILABLE in the
   *   place of ERR_CHUNK_CORRUPT
   */
  begin(): StoreCall {
    let isProbe = false;
    if (this.#openUntil !== undefined) {
      const leftMs = this.#openUntil - this.#now();
      if (leftMs > 0 || this.#probing) throw this.#refusal(Math.max(leftMs, PROBE_LOOK_MS));
      isProbe = true;
      this.#probing = true;
    }
    this.#calls++;
    const beganAt = this.#now();
    let ended = false;
    const end = (then: () => void) => () => {
      if (ended) return;
      ended = true;
      if (isProbe) this.#probing = false;
      then();
    };
    return {
      answered: (silenceMs) => end(() => this.#answered(silenceMs))(),
      failed: (error) => end(() => this.#failed(error, beganAt))(),
      overdue: end(() => this.#failed(silent(this.name), beganAt)),
      dropped: end(() => {}),
    };
  }

  /** A chunk from here was not what its id says. */
  corrupt(error: G8Error): void {
    this.#corrupt++;
    this.#lastError = error;
    this.#suspectUntil = this.#now() + SUSPECT_MS;
    this.#corruptSince.add(error.details['id']);
    if (this.#corruptSince.size >= CORRUPT_MAX) this.#open(undefined);
  }

  /** Notes that it is asked because another store was silent. */
  hedged(): void {
    this.#hedges++;
  }

  hedgeWon(): void {
    this.#hedgesWon++;
  }

  /** Calls `listener` when the circuit opens. @returns what takes it away again */
  onOpen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  report(): StoreReport {
    return {
      store: this.name,
      circuit: this.circuit,
      calls: this.#calls,
      failures: this.#failures,
      opened: this.#opened,
      refused: this.#refused,
      hedges: this.#hedges,
      hedgesWon: this.#hedgesWon,
      corrupt: this.#corrupt,
      p95Ms: this.p95Ms ?? null,
      lastError: this.#lastError?.code ?? null,
    };
  }

  #answered(silenceMs: number | undefined): void {
    this.#works();
    if (silenceMs === undefined) return;
    this.#silences[this.#nextSilence] = silenceMs;
    this.#nextSilence = (this.#nextSilence + 1) % SILENCE_COUNT;
    this.#p95 = undefined;
  }

  #works(): void {
    this.#workedAt = this.#now();
    this.#failuresInRow = 0;
    if (this.#openUntil !== undefined) this.#corruptSince.clear();
    this.#openUntil = undefined;
    this.#openMs = OPEN_MS_MIN;
    // What it serves may be wrong all the same.
    if (this.#corruptSince.size === 0) this.#suspectUntil = Number.NEGATIVE_INFINITY;
  }

  #failed(error: unknown, beganAt: number): void {
    if (!isTrouble(error)) {
      // It has answered, whatever it said.
      if (isG8Error(error) && error.code !== 'ERR_ABORTED') this.#works();
      return;
    }
    this.#failures++;
    this.#lastError = error;
    // It has worked since: what began before says nothing new.
    if (beganAt < this.#workedAt) return;
    this.#suspectUntil = this.#now() + SUSPECT_MS;
    const asked = error.details['retryAfterMs'];
    const askedMs = typeof asked === 'number' ? Math.min(asked, ASKED_MS_MAX) : undefined;
    if (++this.#failuresInRow >= FAILURES_MAX || this.#openUntil !== undefined || askedMs) {
      this.#open(askedMs);
    }
  }

  #open(askedMs: number | undefined): void {
    const now = this.#now();
    // Calls that were under way when it opened say nothing new.
    if (this.#openUntil !== undefined && this.#openUntil > now) return;
    this.#openUntil = now + Math.max(this.#openMs, askedMs ?? 0);
    this.#openMs = Math.min(2 * this.#openMs, OPEN_MS_MAX);
    this.#opened++;
    for (const listener of [...this.#listeners]) listener();
  }

  #refusal(retryAfterMs: number): G8Error {
    this.#refused++;
    const { code, message, details } = this.#lastError ?? silent(this.name);
    // Of the chunk that is asked for now nothing is known: it is worth waiting for.
    const [why, words] =
      code === 'ERR_CHUNK_CORRUPT'
        ? (['ERR_STORE_UNAVAILABLE', `Store ${this.name} has given corrupt chunks`] as const)
        : [code, message];
    return new G8Error(why, words, {
      cause: this.#lastError,
      details: { ...details, retryAfterMs, notAsked: true },
    });
  }
}

function silent(name: string): G8Error {
  return new G8Error('ERR_TIMEOUT', `Store ${name} did not answer in time`);
}

/** A store that knows how it, or the stores behind it, do. */
export interface ReportingStore {
  health(): StoreReport[];
}

/** What a store says of its health; nothing when it knows nothing. */
export function healthOf(store: object): StoreReport[] {
  return 'health' in store ? (store as ReportingStore).health() : [];
}

/** Stores whose health is remembered after nobody reads from them. */
const TABLE_COUNT_MAX = 1024;

/** The health of stores by name. */
export class HealthTable {
  readonly #now: (() => number) | undefined;
  readonly #stores = new Map<string, StoreHealth>();

  constructor(now?: () => number) {
    this.#now = now;
  }

  of(name: string): StoreHealth {
    const known = this.#stores.get(name);
    if (known !== undefined) return known;
    const health = new StoreHealth(name, this.#now);
    this.#stores.set(name, health);
    const [oldest] = this.#stores.keys();
    if (this.#stores.size > TABLE_COUNT_MAX && oldest !== undefined) this.#stores.delete(oldest);
    return health;
  }

  reports(): StoreReport[] {
    return [...this.#stores.values()].map((health) => health.report());
  }
}
