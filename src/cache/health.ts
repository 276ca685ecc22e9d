/**
 * Whether the disk of the cache takes what is written and gives it back. A cache that is degraded serves its
 * readers from memory (`lend.ts`); this says so, why, and notices when the disk is well again.
 *
 * Concurrency: for one event loop; one probe at a time.
 */
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isG8Error, toG8Error } from '../base/errors.ts';
import type { DiskTrust } from '../native/addon.ts';

/** Between two tries of a disk that is not well. */
const PROBE_INTERVAL_MS = 5_000;
/** A failed write that may have been the store's fault is followed up, but not more often than this. */
const DOUBT_INTERVAL_MS = 1_000;
/** A read error makes the disk suspect for so long, counted from the last one. */
const SUSPECT_MS = 600_000;
const PROBE_BYTES = 4096;

/**
 * - `full`: no room, and nothing that could be evicted
 * - `broken`: writes fail for another reason; nothing is written until a probe succeeds
 */
export type DegradedReason = 'full' | 'broken';

export interface Trouble {
  readonly reason: DegradedReason;
  /** What the system said. */
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** What is told when the state of the disk changes. */
export type HealthEvent =
  | ({ readonly type: 'degraded' } & Trouble)
  | { readonly type: 'recovered'; readonly reason: DegradedReason }
  | { readonly type: 'suspect' | 'trusted' };

export interface DiskHealthOptions {
  /** Writes something and takes it away again; throws what the disk says. */
  readonly probe: () => Promise<void>;
  /** Called when a broken disk takes writes again, before anything on it is used. */
  readonly restore: () => Promise<void>;
  /** Milliseconds since 1970, only to be shown. */
  readonly now: () => number;
  readonly onEvent: (event: HealthEvent) => void;
}

export class DiskHealth {
  readonly #options: DiskHealthOptions;
  #trouble: Trouble | undefined;
  #probing: Promise<void> | undefined;
  #probedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #suspectUntil = Number.NEGATIVE_INFINITY;
  #isSuspect = false;
  #closed = false;

  constructor(options: DiskHealthOptions) {
    this.#options = options;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** There was a read error lately. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** What the driver may use files for. */
  get trust(): DiskTrust {
    if (this.refusesWrites) return 'nothing';
    return this.#isSuspect ? 'reading' : 'all';
  }

  /** Writing would fail, or worse, wait. */
  get refusesWrites(): boolean {
    return this.#trouble?.reason === 'broken';
  }

  /** A write failed. What was not for want of room may be the store's fault: a probe says. */
  writeFailed(error: unknown): void {
    const failure = toG8Error(error, 'ERR_IO', 'The cache cannot be written');
    if (isG8Error(failure, 'ERR_CACHE_FULL')) {
      this.#degrade('full', failure.message);
      return;
    }
    if (performance.now() - this.#probedAt >= DOUBT_INTERVAL_MS) void this.probe();
  }

  /** A file of the cache could not be read, or the kernel told of such an error. */
  readFailed(): void {
    this.#suspectUntil = performance.now() + SUSPECT_MS;
    if (this.#isSuspect) return;
    this.#isSuspect = true;
    this.#options.onEvent({ type: 'suspect' });
  }

  /** Ends the suspicion when it is over. */
  review(): void {
    if (!this.#isSuspect || performance.now() < this.#suspectUntil) return;
    this.#isSuspect = false;
    this.#options.onEvent({ type: 'trusted' });
  }

  /** Tries the disk now. Never throws. */
  async probe(): Promise<void> {
    if (this.#closed) return;
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined;
      this.#probedAt = performance.now();
    });
    await this.#probing;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #probe(): Promise<void> {
    try {
      await this.#options.probe();
      if (this.refusesWrites) await this.#options.restore();
      this.#recover();
    } catch (error) {
      const failure = toG8Error(error, 'ERR_IO', 'The cache cannot be written');
      this.#degrade(isG8Error(failure, 'ERR_CACHE_FULL') ? 'full' : 'broken', failure.message);
    }
  }

  #degrade(reason: DegradedReason, message: string): void {
    if (this.#closed) return;
    // A broken disk stays that until a probe has succeeded: what was not synced is dropped first.
    if (!this.refusesWrites && this.#trouble?.reason !== reason) {
      this.#trouble = { reason, message, sinceMs: this.#options.now() };
      this.#options.onEvent({ type: 'degraded', ...this.#trouble });
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.probe();
    }, PROBE_INTERVAL_MS);
    this.#timer.unref();
  }

  #recover(): void {
    const { reason } = this.#trouble ?? {};
    if (reason === undefined) return;
    this.#trouble = undefined;
    this.#options.onEvent({ type: 'recovered', reason });
  }
}

/** Whether an error may come from the cache's disk: another way to the bytes is worth a try. */
export function isDiskFailure(error: unknown): boolean {
  if (isG8Error(error)) return error.code === 'ERR_CACHE_FULL' || error.code === 'ERR_IO';
  // Errors of the system that nobody has put into words yet.
  return typeof (error as { errno?: unknown } | null)?.errno === 'number';
}

/** Writes, syncs and removes a small file. @throws what the disk says */
export async function probeFolder(dir: string): Promise<void> {
  const path = join(dir, `probe-${randomBytes(8).toString('hex')}`);
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(randomBytes(PROBE_BYTES));
    await file.sync();
  } finally {
    await rm(path, { force: true });
  }
}
