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

/** A disk that gives no sign of life within this hangs. One that spins up, or has a long queue, takes less. */
export const ANSWER_MS = 2_000;
/** A disk that hung is left alone for so long at least: it may answer here and not there. */
const HANG_MS_MIN = 5_000;

/**
 * - `full`: no room, and nothing that could be evicted
 * - `broken`: writes fail for another reason; nothing is written until a probe succeeds
 * - `hanging`: it does not answer at all; nothing on it is touched until a probe comes back
 */
export type DegradedReason = 'full' | 'broken' | 'hanging';

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
  /** As little of that as shows that the disk answers, and on nobody's thread who is needed elsewhere. */
  readonly awaitAnswer: () => Promise<void>;
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
  #answer: Promise<void> | undefined;
  #hungAt = Number.NEGATIVE_INFINITY;
  #brokeBefore = false;
  readonly #onHang = new Set<() => void>();
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

  /** Whoever touches the disk may wait for as long as it likes. */
  get hangs(): boolean {
    return this.#trouble?.reason === 'hanging';
  }

  /** What the driver may use files for. */
  get trust(): DiskTrust {
    if (this.hangs) return 'away';
    if (this.refusesWrites) return 'nothing';
    return this.#isSuspect ? 'reading' : 'all';
  }

  /** Writing would fail, or worse, wait. */
  get refusesWrites(): boolean {
    return this.#trouble?.reason === 'broken' || this.hangs;
  }

  /**
   * Somebody has waited for the disk for too long: it hangs until it gives a sign of life. Whoever says so again
   * meanwhile does not prolong that. Also while it is being closed.
   */
  hang(): void {
    if (this.hangs) return;
    this.#hungAt = performance.now();
    void this.#ask();
    this.#brokeBefore = this.refusesWrites;
    const message = 'The disk does not answer';
    this.#trouble = { reason: 'hanging', message, sinceMs: this.#options.now() };
    this.#options.onEvent({ type: 'degraded', ...this.#trouble });
    for (const tell of [...this.#onHang]) tell();
  }

  /** Somebody waits, perhaps for the disk: without a sign of life it hangs. */
  doubt(): void {
    if (this.#answer !== undefined) return;
    const timer = setTimeout(() => this.hang(), ANSWER_MS);
    timer.unref();
    void this.#ask().finally(() => clearTimeout(timer));
  }

  /**
   * Waits for something that may be in the disk's hands, as long as the disk does not hang. What it comes to
   * afterwards is nobody's.
   *
   * @returns `undefined` when the disk hangs
   */
  async whileAnswering<T>(work: Promise<T>): Promise<T | undefined> {
    let leave = (): void => {};
    const hang = new Promise<undefined>((resolve) => {
      leave = () => resolve(undefined);
      this.#onHang.add(leave);
    });
    // Once it is left alone.
    work.catch(() => {});
    try {
      return await Promise.race([work, hang]);
    } finally {
      this.#onHang.delete(leave);
    }
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

  /** Nothing can be written from the beginning on, until a probe succeeds. @param message what the system said */
  break(message: string): void {
    this.#degrade('broken', message);
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
    // The probe would only be one more who waits.
    if (this.#closed || this.hangs) return;
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

  /** Never rejects: an error is an answer, and for the next write to find. */
  #ask(): Promise<void> {
    this.#answer ??= this.#options
      .awaitAnswer()
      .catch(() => {})
      .then(() => {
        this.#answer = undefined;
        this.#endHang();
      });
    return this.#answer;
  }

  #endHang(): void {
    if (!this.hangs) return;
    const rest = this.#hungAt + HANG_MS_MIN - performance.now();
    if (rest > 0) {
      // And then it has to answer once more.
      setTimeout(() => {
        if (this.hangs) void this.#ask();
      }, rest).unref();
      return;
    }
    this.#trouble = undefined;
    if (this.#brokeBefore) {
      this.#degrade('broken', 'Writes failed before the disk hung');
      void this.probe();
      return;
    }
    this.#options.onEvent({ type: 'recovered', reason: 'hanging' });
  }

  async #probe(): Promise<void> {
    try {
      await this.#options.probe();
      if (this.#trouble?.reason === 'broken') await this.#options.restore();
      if (!this.hangs) this.#recover();
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

/** A name of a file that is not there. */
export function probePath(dir: string): string {
  return join(dir, `probe-${randomBytes(8).toString('hex')}`);
}

/** Writes, syncs and removes a small file. @throws what the disk says */
export async function probeFolder(dir: string): Promise<void> {
  const path = probePath(dir);
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(randomBytes(PROBE_BYTES));
    await file.sync();
  } finally {
    await rm(path, { force: true });
  }
}
