/**
 * Keeps the cache within its limits: the size limit (a target that reads of open files may pass) and
 * the free-space floor of the file system (which nothing passes). Evicts by last use.
 *
 * Concurrency: one round at a time; callers that need room share it. A round ends after a bounded
 * number of candidates, and what it could not evict (open, in use) it does not ask about again at once.
 */
import { statfs } from 'node:fs/promises';
import { formatSize } from '../base/bytes.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import type { Catalog } from './catalog.ts';
import type { FillPriority } from './fetch.ts';
import type { Counters } from './parts.ts';
import { isOverQuota, type Quota, Quotas } from './quota.ts';
import type { State } from './state.ts';

const GIB = 2 ** 30;
/** Default size limit: a tenth of the file system, 20 GiB at most. */
export const SIZE_SHARE_DEFAULT = 0.1;
export const SIZE_BYTES_DEFAULT_MAX = 20 * GIB;
/** Default floor: a twentieth of the file system, 1 GiB at most. */
const FLOOR_SHARE_DEFAULT = 0.05;
const FLOOR_BYTES_DEFAULT_MAX = GIB;

/** What is left free of a file system by default. @param total its bytes */
export function defaultFreeFloor(total: number): number {
  return Math.min(FLOOR_BYTES_DEFAULT_MAX, total * FLOOR_SHARE_DEFAULT);
}

/** A round goes on until a tenth below the size limit, so that the next one is not due at once. */
const LOW_MARK = 0.9;
/** And until a tenth above the floor. */
const FLOOR_MARK = 1.1;
/** Contents looked at in one round: 50 000 files of a full cache and then some. */
const CANDIDATE_COUNT_MAX = 100_000;
/** A round that freed nothing is not repeated before this. */
const FUTILE_PAUSE_MS = 1000;
/** How long a measured amount of free space counts, less what was written since. */
const FREE_AGE_MS_MAX = 1000;

/** What only a read that somebody waits for, or one of another image, would have been admitted for: see {@link Evictor.admit}. */
export function isBeyondLimit(error: unknown): boolean {
  if (isOverQuota(error)) return true;
  return isG8Error(error, 'ERR_CACHE_FULL') && error.details?.['state'] === 'large';
}

export interface EvictLimits {
  readonly sizeMaxBytes: number;
  readonly freeFloorBytes: number;
}

export interface EvictorOptions {
  readonly dir: string;
  readonly state: State;
  readonly catalog: Catalog;
  readonly counters: Counters;
  readonly sizeMaxBytes: number | undefined;
  readonly freeFloorBytes: number | undefined;
  /** Brings last-use times up to date. */
  readonly refresh: () => Promise<void>;
  /** Evicts one content; returns the bytes freed, `undefined` when it has to stay. */
  readonly evict: (digest: Uint8Array) => Promise<number | undefined>;
  /** Deletes what is only kept to be looked at. */
  readonly dropSpare: () => Promise<void>;
}

export class Evictor {
  readonly #options: EvictorOptions;
  readonly #quotas: Quotas;
  #limits: EvictLimits | undefined;
  #free = 0;
  #freeAt = Number.NEGATIVE_INFINITY;
  #reserved = 0;
  #round: Promise<number> | undefined;
  #futileAt = Number.NEGATIVE_INFINITY;

  constructor(options: EvictorOptions) {
    this.#options = options;
    const { catalog, counters } = options;
    const evict = (owner: number, bytes: number): Promise<number> =>
      this.#evictBytes(bytes, () => catalog.ownedByLastUse(owner));
    this.#quotas = new Quotas({ catalog, counters, evict });
  }

  /** The limits in force; defaults are derived from the file system once. */
  async limits(): Promise<EvictLimits> {
    if (this.#limits !== undefined) return this.#limits;
    const { sizeMaxBytes, freeFloorBytes } = this.#options;
    const { total } = await this.#measure();
    this.#limits = {
      sizeMaxBytes: sizeMaxBytes ?? Math.min(SIZE_BYTES_DEFAULT_MAX, total * SIZE_SHARE_DEFAULT),
      freeFloorBytes: freeFloorBytes ?? defaultFreeFloor(total),
    };
    return this.#limits;
  }

  /** Free bytes of the file system, at most a second old. */
  async freeBytes(): Promise<number> {
    if (performance.now() - this.#freeAt > FREE_AGE_MS_MAX) await this.#measure();
    return this.#free;
  }

  /**
   * Asks for room before bytes are written.
   *
   * @param quota of the image that they are for, if it has one: a bound for any priority
   * @returns gives the reservation back; call it once the bytes are written or given up
   * @throws ERR_CACHE_FULL
   */
  async admit(bytes: number, priority: FillPriority, quota?: Quota): Promise<() => void> {
    if (quota === undefined) return await this.#admit(bytes, priority);
    const giveQuota = await this.#quotas.admit(bytes, quota);
    try {
      const giveBack = await this.#admit(bytes, priority);
      return () => {
        giveBack();
        giveQuota();
      };
    } catch (error) {
      giveQuota();
      throw error;
    }
  }

  /** Whether this much fits within all bounds without anything being evicted. */
  async hasRoom(bytes: number, quota?: Quota): Promise<boolean> {
    if (quota !== undefined && !this.#quotas.hasRoom(bytes, quota)) return false;
    return (await this.#judge(bytes, await this.limits())) === 'ok';
  }

  async #admit(bytes: number, priority: FillPriority): Promise<() => void> {
    const limits = await this.limits();
    let state = await this.#judge(bytes, limits);
    if (state === 'low') {
      // What is remembered may be older than what somebody else deleted.
      await this.#measure();
      state = await this.#judge(bytes, limits);
    }
    if (state === 'low' || (state === 'large' && priority !== 'demand')) {
      await this.makeRoom(bytes);
      state = await this.#judge(bytes, limits);
    } else if (state === 'large') {
      // Reads of an open file go on: the disk has room, and the round makes up for it.
      void this.makeRoom(bytes).catch(() => {});
    }
    if (state === 'low' || (state === 'large' && priority !== 'demand')) {
      const details = { bytes, state, free: this.#free, size: this.#options.catalog.totals.bytes };
      const what = state === 'low' ? 'free space of the file system' : 'size limit';
      throw new G8Error(
        'ERR_CACHE_FULL',
        `The cache cannot take ${formatSize(bytes)} within the ${what}`,
        { details },
      );
    }
    this.#reserved += bytes;
    this.#free -= bytes;
    return () => {
      this.#reserved -= bytes;
    };
  }

  /**
   * Evicts until the limits hold with `bytes` more to come.
   *
   * @returns bytes freed
   */
  async makeRoom(bytes: number): Promise<number> {
    if (this.#round !== undefined) return await this.#round;
    if (performance.now() - this.#futileAt < FUTILE_PAUSE_MS) return 0;
    this.#round = this.#runRound(bytes).finally(() => {
      this.#round = undefined;
    });
    const freed = await this.#round;
    if (freed === 0) this.#futileAt = performance.now();
    return freed;
  }

  /** Starts a round when the limits are passed; does not wait. */
  check(): void {
    void this.#checkNow().catch(() => {});
  }

  /** A round with another size limit, whatever was futile before; returns bytes freed. */
  async collect(sizeMaxBytes: number | undefined): Promise<number> {
    await this.#round?.catch(() => {});
    const limits = await this.limits();
    const size = this.#options.catalog.totals.bytes;
    const needed = sizeMaxBytes === undefined ? this.#excess(0, limits) : size - sizeMaxBytes;
    return await this.#evictBytes(needed);
  }

  /** Waits for the round that runs. */
  async idle(): Promise<void> {
    await this.#round?.catch(() => {});
  }

  async #checkNow(): Promise<void> {
    if ((await this.#judge(0, await this.limits())) !== 'ok') await this.makeRoom(0);
  }

  async #judge(bytes: number, limits: EvictLimits): Promise<'ok' | 'large' | 'low'> {
    if ((await this.freeBytes()) - bytes < limits.freeFloorBytes) return 'low';
    const size = this.#options.catalog.totals.bytes + this.#reserved + bytes;
    return size > limits.sizeMaxBytes ? 'large' : 'ok';
  }

  async #runRound(bytes: number): Promise<number> {
    const limits = await this.limits();
    await this.#options.dropSpare();
    await this.#measure();
    // A full disk says so by its errors, whatever statfs counted: free at least what was asked for.
    return await this.#evictBytes(Math.max(bytes, this.#excess(bytes, limits)));
  }

  #excess(bytes: number, limits: EvictLimits): number {
    const size = this.#options.catalog.totals.bytes + this.#reserved + bytes;
    const overSize = size > limits.sizeMaxBytes ? size - limits.sizeMaxBytes * LOW_MARK : 0;
    const free = this.#free - bytes;
    const { freeFloorBytes } = limits;
    const underFloor = free < freeFloorBytes ? freeFloorBytes * FLOOR_MARK - free : 0;
    return Math.max(overSize, underFloor);
  }

  async #evictBytes(
    needed: number,
    order = (): AsyncIterable<Uint8Array> => this.#options.catalog.byLastUse(),
  ): Promise<number> {
    if (needed <= 0) return 0;
    const { state, counters, refresh, evict } = this.#options;
    await refresh();
    // The order is read from the last batch. A full disk may refuse this one: then it is a bit older.
    await state.flush().catch(() => {});
    let freed = 0;
    let candidates = 0;
    for await (const digest of order()) {
      const bytes = await evict(digest);
      if (bytes !== undefined) {
        freed += bytes;
        counters.evictedFiles++;
        counters.evictedBytes += bytes;
      }
      if (freed >= needed || ++candidates >= CANDIDATE_COUNT_MAX) break;
    }
    await this.#measure();
    return freed;
  }

  async #measure(): Promise<{ total: number }> {
    const { bsize, blocks, bavail } = await statfs(this.#options.dir);
    this.#free = bavail * bsize;
    this.#freeAt = performance.now();
    return { total: blocks * bsize };
  }
}
