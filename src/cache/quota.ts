/**
 * How much of the cache what one image has brought may take. A content belongs to whoever had it made here first, whoever
 * reads it later, until it is evicted; what others have brought costs nothing. So the sums of all owners and of
 * what is nobody's are the cache, and no content counts twice. Decision: docs/decisions/0024-cache-quota.md.
 *
 * Concurrency: one round for each owner at a time, shared by all who need room of it.
 */
import { formatSize } from '../base/bytes.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import type { Catalog } from './catalog.ts';
import type { Counters } from './parts.ts';

/** A round goes on until a tenth below the bound, so that the next one is not due at once. */
const LOW_MARK = 0.9;
/** A round that freed nothing is not repeated before this: all of it is in use. */
const FUTILE_PAUSE_MS = 1000;

/** Whose contents are bounded, and how. */
export interface Quota {
  /** See {@link ownerOf}. */
  readonly owner: number;
  readonly bytesMax: number;
}

/**
 * Number of an owner by its name: 32 bits, not 0. Two names with one number would share a bound, which takes tens of
 * thousands of images to become likely. Computed here and not by a library: see `takeover/early-sessions.ts`.
 */
export function ownerOf(name: string): number {
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0 || 1;
}

/** The bound of an owner keeps a fill out: nothing is wrong with the disk. */
export function isOverQuota(error: unknown): boolean {
  return isG8Error(error, 'ERR_CACHE_FULL') && error.details?.['state'] === 'quota';
}

export interface QuotasOptions {
  readonly catalog: Catalog;
  readonly counters: Counters;
  /** Evicts contents of one owner, least recently used first; returns bytes freed. */
  readonly evict: (owner: number, bytes: number) => Promise<number>;
}

interface Ledger {
  /** Fills that ask, or have a reservation. */
  users: number;
  /** Asked for and not written yet. */
  reserved: number;
  round: Promise<number> | undefined;
  futileAt: number;
}

export class Quotas {
  readonly #options: QuotasOptions;
  readonly #ledgers = new Map<number, Ledger>();

  constructor(options: QuotasOptions) {
    this.#options = options;
  }

  /**
   * Asks for room before bytes are written, and evicts the owner's oldest for it. What is on its way already and
   * what blocks take beyond their bytes may pass the bound by that much.
   *
   * @returns gives the reservation back; call it once the bytes are written or given up
   * @throws ERR_CACHE_FULL, see {@link isOverQuota}
   */
  async admit(bytes: number, { owner, bytesMax }: Quota): Promise<() => void> {
    const ledger = this.#ledgers.get(owner) ?? this.#newLedger(owner);
    ledger.users++;
    try {
      await this.#reserve(bytes, { owner, bytesMax }, ledger);
    } catch (error) {
      this.#leave(owner, ledger);
      throw error;
    }
    return () => {
      ledger.reserved -= bytes;
      this.#leave(owner, ledger);
    };
  }

  /** Owners whose ledger is kept. */
  get ledgers(): number {
    return this.#ledgers.size;
  }

  #newLedger(owner: number): Ledger {
    // What had to be remembered of others for a while need not be any more.
    for (const [other, known] of this.#ledgers) this.#forget(other, known);
    const futileAt = Number.NEGATIVE_INFINITY;
    const ledger: Ledger = { users: 0, reserved: 0, round: undefined, futileAt };
    this.#ledgers.set(owner, ledger);
    return ledger;
  }

  #leave(owner: number, ledger: Ledger): void {
    ledger.users--;
    this.#forget(owner, ledger);
  }

  /** Images come and go; nobody fills for most of them. */
  #forget(owner: number, { users, futileAt }: Ledger): void {
    const isFutile = performance.now() - futileAt < FUTILE_PAUSE_MS;
    if (users === 0 && !isFutile) this.#ledgers.delete(owner);
  }

  async #reserve(bytes: number, { owner, bytesMax }: Quota, ledger: Ledger): Promise<void> {
    const used = (): number => this.#options.catalog.ownedBytes(owner) + ledger.reserved + bytes;
    // A round that was begun for less, or by whose end others have taken the room, is not the last word.
    while (used() > bytesMax) {
      if ((await this.#makeRoom(owner, ledger, used() - bytesMax * LOW_MARK)) === 0) break;
    }
    if (used() > bytesMax) {
      this.#options.counters.overQuota++;
      const what = `${formatSize(bytes)} do not fit into the ${formatSize(bytesMax)} of this image`;
      throw new G8Error('ERR_CACHE_FULL', what, { details: { state: 'quota', bytes, bytesMax } });
    }
    // In the same turn: others look at the sum.
    ledger.reserved += bytes;
  }

  /** Whether this much fits without a round. */
  hasRoom(bytes: number, { owner, bytesMax }: Quota): boolean {
    const reserved = this.#ledgers.get(owner)?.reserved ?? 0;
    return this.#options.catalog.ownedBytes(owner) + reserved + bytes <= bytesMax;
  }

  /** @returns bytes freed, by a round of its own or one that was under way */
  async #makeRoom(owner: number, ledger: Ledger, bytes: number): Promise<number> {
    if (ledger.round === undefined) {
      if (performance.now() - ledger.futileAt < FUTILE_PAUSE_MS) return 0;
      ledger.round = this.#options.evict(owner, bytes).finally(() => {
        ledger.round = undefined;
      });
    }
    const freed = await ledger.round;
    if (freed === 0) ledger.futileAt = performance.now();
    return freed;
  }
}
