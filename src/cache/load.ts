/**
 * The way of a reader that waits: by the shortest path into the cache, and when the disk does not play along, past
 * it. A write that finds no room gets one more try after an eviction; whatever else fails, and fails again, is served
 * from memory (`lend.ts`).
 *
 * Concurrency: calls may overlap.
 */
import { toHex } from '../base/bytes.ts';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import type { ContentRef } from './content.ts';
import type { Contents } from './contents.ts';
import type { Evictor } from './evict.ts';
import type { Filler } from './fill.ts';
import type { FillOptions } from './fill-options.ts';
import { type DiskHealth, isDiskFailure } from './health.ts';
import type { Lander } from './land.ts';
import type { Lender } from './lend.ts';
import type { CacheParts } from './parts.ts';
import { isOverQuota } from './quota.ts';

/** Freed at least before the second try: the state needs a few MiB to be opened again. */
const RETRY_ROOM_BYTES = 8 * 1024 * 1024;

/** Blocks `first` to `first + count` (exclusive) of a content. */
export interface FillSpan {
  readonly ref: ContentRef;
  readonly first: number;
  readonly count: number;
}

export interface LoaderOptions {
  readonly parts: CacheParts;
  readonly contents: Contents;
  readonly evictor: Evictor;
  readonly lander: Lander;
  readonly lender: Lender;
  readonly health: DiskHealth;
  readonly filler: Filler;
}

export class Loader {
  readonly #options: LoaderOptions;
  /** Contents whose files are being verified because a read failed, by key. */
  readonly #rechecks = new Map<string, Promise<void>>();

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** See `ContentCache.load`. */
  async load(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    const { health, lender } = this.#options;
    const lends = options.priority === 'demand';
    if (!lends) this.#requireWrites();
    if (!health.refusesWrites) {
      const load = this.#load(ref, first, count, options).then(() => true);
      if ((await health.whileAnswering(load)) === true) return;
      if (!lends) this.#requireWrites();
    }
    // Without blocks nobody waits yet.
    if (count === 0) return;
    await lender.lend(ref, first, count, { ...options, isLocalFirst: !health.hangs });
  }

  async #load(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    const { evictor, health, lender } = this.#options;
    const lends = options.priority === 'demand';
    let failure = await this.#tryDisk(ref, first, count, options);
    if (failure === undefined) return;
    if (isOverQuota(failure)) {
      if (!lends) throw failure;
      if (count > 0) await lender.lend(ref, first, count, options);
      return;
    }
    if (isG8Error(toG8Error(failure, 'ERR_IO', 'The cache cannot be written'), 'ERR_CACHE_FULL')) {
      const freed = await evictor.makeRoom(RETRY_ROOM_BYTES).catch(() => 0);
      const alone = { ...options, riders: undefined };
      if (freed > 0) failure = await this.#tryDisk(ref, first, count, alone);
      if (failure === undefined) return;
    }
    health.writeFailed(failure);
    if (!lends) throw failure;
    // Without blocks nobody waits yet.
    if (count > 0) await lender.lend(ref, first, count, options);
  }

  /** See `ContentCache.fill`. */
  async fill(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    const { contents, filler, parts } = this.#options;
    const content = await contents.acquire(ref, options.quota?.owner);
    if (content === 'complete') {
      parts.residency.complete(ref.digest);
      return;
    }
    try {
      await filler.fill(content, ref, { first, count }, options);
      await contents.complete(content);
    } finally {
      parts.partials.release(content);
    }
  }

  /** See `ContentCache.prefetch`. */
  async prefetch(refs: readonly ContentRef[], options: FillOptions): Promise<void> {
    const records = await this.#options.parts.catalog.findMany(refs.map(({ digest }) => digest));
    const absent = refs.filter((_, index) => records[index]?.complete !== true);
    const spans = absent.map((ref) => ({ ref, first: 0, count: ref.chunkCount }));
    await this.fillMany(spans, options);
  }

  /** See `ContentCache.fillMany`. */
  async fillMany(spans: readonly FillSpan[], options: FillOptions): Promise<void> {
    this.#requireWrites();
    const refs = spans.map(({ ref }) => ref);
    const landed = this.#options.lander.land(refs, options);
    // What did not land is filled as soon as that is known for it, beside the landings of the others.
    const fills = spans.map(async ({ ref, first, count }, index) => {
      if (await landed[index]) return;
      await this.fill(ref, first, count, options);
    });
    const results = await Promise.allSettled(fills);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** See `ContentCache.missing`. */
  async missing(ref: ContentRef, first: number, count: number): Promise<number[]> {
    const { contents, lander, parts } = this.#options;
    if (await lander.fits(ref)) return first === 0 && count > 0 ? [0] : [];
    const content = await contents.acquire(ref);
    if (content === 'complete') return [];
    try {
      const blocks = Array.from({ length: count }, (_, i) => first + i);
      return blocks.filter((block) => block < content.chunkCount && !content.isPresent(block));
    } finally {
      parts.partials.release(content);
    }
  }

  /** What nobody waits for is not fetched to be thrown away. */
  #requireWrites(): void {
    const { trouble, refusesWrites } = this.#options.health;
    if (refusesWrites) throw new G8Error('ERR_IO', `The cache is degraded: ${trouble?.message}`);
  }

  /**
   * The driver cannot use the file of a content: lends the blocks, and looks at the file behind the reader's back.
   *
   * @throws as {@link load}
   */
  async rescue(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    const { health, lender, parts } = this.#options;
    if (!health.refusesWrites) {
      health.readFailed();
      this.#recheck(ref);
      // Let go of by whoever does not need it now, so that the next open starts anew.
      parts.residency.drop(ref.digest);
    }
    if (count === 0) return;
    // A disk that only takes no writes has most of it still, and what it gives is verified.
    const isLocalFirst = health.refusesWrites && !health.hangs;
    await lender.lend(ref, first, count, { ...options, isLocalFirst });
  }

  /**
   * The driver waited for the disk for too long: lends the blocks, out of what is here when the disk is back.
   *
   * @throws as {@link load}
   */
  async passBy(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    const { health, lender } = this.#options;
    if (count === 0) return;
    await lender.lend(ref, first, count, { ...options, isLocalFirst: !health.hangs });
  }

  #recheck(ref: ContentRef): void {
    const { contents, health } = this.#options;
    const key = toHex(ref.digest);
    if (this.#rechecks.has(key)) return;
    const recheck = contents
      .recheck(ref)
      // What cannot be removed fails again when it is opened, and is served like this again.
      .catch((error: unknown) => health.writeFailed(error))
      .finally(() => this.#rechecks.delete(key));
    this.#rechecks.set(key, recheck);
  }

  /** Waits for the files that are being looked at. */
  async idle(): Promise<void> {
    await Promise.all(this.#rechecks.values());
  }

  /** What the disk had against it; throws what has nothing to do with the disk. */
  async #tryDisk(...call: Parameters<Loader['load']>): Promise<unknown> {
    try {
      await this.#loadToDisk(...call);
      return undefined;
    } catch (error) {
      const [, , , { signal }] = call;
      if (!isDiskFailure(error) || signal?.aborted === true) throw error;
      return error;
    }
  }

  async #loadToDisk(
    ref: ContentRef,
    first: number,
    count: number,
    options: FillOptions,
  ): Promise<void> {
    const { contents, lander } = this.#options;
    if (count > 0 && (await lander.land([ref], options)[0]) === true) return;
    const attached = await contents.attach(ref, options.quota?.owner);
    if (attached === 'partial' && count > 0) await this.fill(ref, first, count, options);
  }
}
