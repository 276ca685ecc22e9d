/**
 * The node's content cache, shared by every image: files named by what they contain, filled block by
 * block with verified bytes, kept within limits. Docs: docs/decisions/0004-cache-sealed-files.md.
 *
 * This module opens, joins and closes the parts. Not here: mounts, flists, and the driver, which is
 * told through {@link Residency} and opens complete files by itself.
 *
 * Concurrency: all methods may be called at the same time; one process owns a cache directory.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createAbortController } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import type { CodecBinding } from '../native/addon.ts';
import { Catalog } from './catalog.ts';
import { Checkpoint } from './checkpoint.ts';
import type { ContentRef } from './content.ts';
import { Contents } from './contents.ts';
import { Evictor } from './evict.ts';
import { ChunkFetcher } from './fetch.ts';
import { Filler, type FillOptions } from './fill.ts';
import { Lander } from './land.ts';
import { CacheLayout } from './layout.ts';
import { Partials } from './partials.ts';
import { type CacheParts, type Counters, createCounters } from './parts.ts';
import { DIGEST_SIZE } from './records.ts';
import { emptyTmp, Recovery, readBootId, setFilesAside } from './recover.ts';
import { NO_RESIDENCY, type Residency } from './residency.ts';
import { State } from './state.ts';
import { type Survey, type SurveyedContent, surveyContents } from './survey.ts';
import { Verifier, type VerifyOptions, type VerifyProgress } from './verify.ts';

/** Between two looks at what was opened and whether the limits hold. */
const UPKEEP_INTERVAL_MS = 10_000;
/** Partial contents kept in memory; what nobody uses beyond that is loaded again when needed. */
const PARTIAL_COUNT_MAX = 4096;

export interface CacheOptions {
  readonly dir: string;
  readonly addon: CodecBinding;
  /** Default: a tenth of the file system, 20 GiB at most. */
  readonly sizeMaxBytes?: number | undefined;
  /** Default: a twentieth of the file system, 1 GiB at most. */
  readonly freeFloorBytes?: number | undefined;
  /** Default: {@link NO_RESIDENCY}. */
  readonly residency?: Residency | undefined;
  /** Identity of this boot; default: what the kernel says. */
  readonly bootId?: string | undefined;
  /** Milliseconds since 1970; default: the system clock. */
  readonly now?: (() => number) | undefined;
}

export interface CacheStatus extends Readonly<Counters> {
  readonly dir: string;
  readonly files: number;
  readonly partialFiles: number;
  /** Bytes allocated for contents. */
  readonly bytes: number;
  readonly sizeMaxBytes: number;
  readonly freeBytes: number;
  readonly freeFloorBytes: number;
  /** Blocks and chunks being loaded now. */
  readonly loading: number;
  /** State batches that failed (the disk was full or broken). */
  readonly stateFailures: number;
  /** Files set aside after a power loss are still being sorted out. */
  readonly recovering: boolean;
}

/** Blocks `first` to `first + count` (exclusive) of a content. */
export interface FillSpan {
  readonly ref: ContentRef;
  readonly first: number;
  readonly count: number;
}

export class ContentCache {
  readonly layout: CacheLayout;
  readonly #parts: CacheParts;
  readonly #contents: Contents;
  readonly #fetcher: ChunkFetcher;
  readonly #filler: Filler;
  readonly #lander: Lander;
  readonly #evictor: Evictor;
  readonly #checkpoint: Checkpoint;
  readonly #recovery: Recovery;
  readonly #closing: AbortController;
  readonly #bootId: string;
  readonly #background: Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #upkeep: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  private constructor(
    options: CacheOptions,
    parts: CacheParts,
    recovery: Recovery,
    boot: { readonly id: string; readonly crashed: boolean; readonly closing: AbortController },
  ) {
    this.layout = parts.layout;
    this.#parts = parts;
    this.#recovery = recovery;
    this.#closing = boot.closing;
    this.#bootId = boot.id;
    this.#checkpoint = new Checkpoint(parts);
    const onComplete = (): void => this.#checkpoint.due();
    this.#contents = new Contents({ parts, recovery, onComplete });
    this.#evictor = new Evictor({
      dir: options.dir,
      state: parts.state,
      catalog: parts.catalog,
      counters: parts.counters,
      sizeMaxBytes: options.sizeMaxBytes,
      freeFloorBytes: options.freeFloorBytes,
      refresh: () => this.#collectTouched(),
      evict: (digest) => this.#contents.evict(digest),
    });
    this.#fetcher = new ChunkFetcher(parts.counters);
    const fetcher = this.#fetcher;
    this.#lander = new Lander({ parts, evictor: this.#evictor, fetcher, recovery, onComplete });
    this.#filler = new Filler(parts, this.#evictor, fetcher, async (content) => {
      await this.#contents.complete(content);
      // Counted a bit late when it fails; the next batch or the completion makes up for it.
      await this.#contents.measure(content).catch(() => {});
    });
    this.#timer = setInterval(() => this.#startUpkeep(), UPKEEP_INTERVAL_MS);
    this.#timer.unref();
    if (boot.crashed) this.#checkpoint.due();
    // What fails here is found again, content by content, when it is used.
    this.#background = recovery
      .run({ crashed: boot.crashed, signal: parts.closing })
      .catch(() => {});
  }

  /**
   * Opens a cache, creating it when it is not there. Takes milliseconds whatever the cache holds.
   *
   * @throws ERR_CACHE_LOCKED, ERR_CACHE_FULL, ERR_PERMISSION, ERR_IO
   */
  static async open(options: CacheOptions): Promise<ContentCache> {
    const layout = new CacheLayout(options.dir);
    try {
      const isNew = await layout.createFolders();
      const { state } = await openState(layout);
      try {
        return await ContentCache.#openParts(options, layout, state, isNew);
      } catch (error) {
        await state.close();
        throw error;
      }
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `Cannot open the cache ${options.dir}`);
    }
  }

  static async #openParts(
    options: CacheOptions,
    layout: CacheLayout,
    state: State,
    isNew: boolean,
  ): Promise<ContentCache> {
    const [bootId, { catalog, meta }] = await Promise.all([
      options.bootId ?? readBootId(),
      Catalog.open(state),
      writeFile(layout.lock, `${process.pid}\n`),
      emptyTmp(layout),
    ]);
    const isSameBoot = bootId !== '' && bootId === meta.bootId;
    // Before anybody can open a file in it.
    if (!isNew && !meta.clean && !isSameBoot) await setFilesAside(layout);
    await catalog.putMeta({ bootId, clean: false });
    const closing = createAbortController();
    const parts: CacheParts = {
      layout,
      addon: options.addon,
      state,
      catalog,
      partials: new Partials(layout),
      residency: options.residency ?? NO_RESIDENCY,
      counters: createCounters(),
      lock: new KeyedLock(),
      dirty: new Set(),
      lifeId: randomBytes(16),
      closing: closing.signal,
      now: options.now ?? Date.now,
    };
    const recovery = await Recovery.open(parts);
    return new ContentCache(options, parts, recovery, {
      id: bootId,
      crashed: !meta.clean,
      closing,
    });
  }

  /**
   * Makes a content known to the driver: as complete when its file is in place, else as partial with
   * the blocks that are there. Calls `residency.attach` or `residency.complete` before it resolves.
   *
   * @throws ERR_FLIST_FORMAT when the content is not what its digest says; ERR_CACHE_FULL, ERR_IO
   */
  async attach(ref: ContentRef): Promise<'partial' | 'complete'> {
    this.#requireOpen();
    return await this.#contents.attach(ref);
  }

  /**
   * Makes blocks `first` to `first + count` (exclusive) present; ends when they are. A content that
   * has all its blocks is complete by then, too.
   *
   * @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT, ERR_STORE_UNAVAILABLE, ERR_TIMEOUT, ERR_CACHE_FULL,
   *   ERR_FLIST_FORMAT, ERR_ABORTED: for the first block that failed; others may be present
   */
  async fill(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    this.#requireOpen();
    const content = await this.#contents.acquire(ref);
    if (content === 'complete') {
      this.#parts.residency.complete(ref.digest);
      return;
    }
    try {
      await this.#filler.fill(content, ref, { first, count }, options);
      await this.#contents.complete(content);
    } finally {
      this.#parts.partials.release(content);
    }
  }

  /**
   * Makes blocks of several contents present: as {@link fill} for each, with fewer requests.
   *
   * @throws the first failure, once all have ended
   */
  async fillMany(spans: readonly FillSpan[], options: FillOptions): Promise<void> {
    this.#requireOpen();
    const landed = this.#lander.land(
      spans.map(({ ref }) => ref),
      options,
    );
    await this.#fillRest(spans, landed, options);
  }

  /**
   * Those of a content's blocks that a fill would have to work for.
   *
   * @throws ERR_FLIST_FORMAT when the content is not what its digest says; ERR_CACHE_FULL, ERR_IO
   */
  async missing(ref: ContentRef, first: number, count: number): Promise<number[]> {
    this.#requireOpen();
    if (await this.#lander.fits(ref)) return first === 0 && count > 0 ? [0] : [];
    const content = await this.#contents.acquire(ref);
    if (content === 'complete') return [];
    try {
      const blocks = Array.from({ length: count }, (_, i) => first + i);
      return blocks.filter((block) => block < content.chunkCount && !content.isPresent(block));
    } finally {
      this.#parts.partials.release(content);
    }
  }

  /**
   * {@link attach} and {@link fill} in one, for a reader that waits: the shortest way for a content that fits in
   * one chunk and of which nothing is here.
   *
   * @throws as both
   */
  async load(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    this.#requireOpen();
    if (count > 0 && (await this.#lander.land([ref], options)[0]) === true) return;
    const attached = await this.#contents.attach(ref);
    if (attached === 'partial' && count > 0) await this.fill(ref, first, count, options);
  }

  /**
   * Makes whole contents complete that nobody has open yet; leaves alone what is complete.
   *
   * @throws as {@link fillMany}
   */
  async prefetch(refs: readonly ContentRef[], options: FillOptions): Promise<void> {
    this.#requireOpen();
    const records = await this.#parts.catalog.findMany(refs.map(({ digest }) => digest));
    const absent = refs.filter((_, index) => records[index]?.complete !== true);
    const spans = absent.map((ref) => ({ ref, first: 0, count: ref.chunkCount }));
    await this.fillMany(spans, options);
  }

  /**
   * The driver found a complete file unsealed or of the wrong size: verifies all of it. Attach the
   * content again afterwards, whatever the answer.
   *
   * @returns true when every byte is right and the file is sealed again; false when it was removed
   */
  async doubt(ref: ContentRef): Promise<boolean> {
    this.#requireOpen();
    return await this.#contents.doubt(ref);
  }

  /** Keeps a content from eviction. @throws ERR_NO_INPUT when the cache does not know it */
  async pin(digest: Uint8Array): Promise<void> {
    await this.#setPinned(digest, true);
  }

  /** @throws ERR_NO_INPUT when the cache does not know the content */
  async unpin(digest: Uint8Array): Promise<void> {
    await this.#setPinned(digest, false);
  }

  /**
   * Evicts down to a size; open, pinned and in-flight contents stay.
   *
   * @param options.sizeMaxBytes default: the limits the cache was opened with
   * @returns bytes freed
   */
  async gc(options: { readonly sizeMaxBytes?: number } = {}): Promise<{ freedBytes: number }> {
    this.#requireOpen();
    return { freedBytes: await this.#evictor.collect(options.sizeMaxBytes) };
  }

  /**
   * Compares every byte with its digest. Corrupt files are removed, corrupt blocks of partial files
   * become absent.
   *
   * @throws ERR_ABORTED
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyProgress> {
    this.#requireOpen();
    await this.#background;
    return await new Verifier(this.#parts, this.#contents, options).run();
  }

  /** Syncs complete files to the disk now instead of within 30 s. */
  async checkpoint(): Promise<void> {
    this.#requireOpen();
    await this.#checkpoint.run();
  }

  async status(): Promise<CacheStatus> {
    const { catalog, counters, state } = this.#parts;
    const { files, partialFiles, bytes } = catalog.totals;
    return {
      dir: this.layout.dir,
      files,
      partialFiles,
      bytes,
      ...(await this.#evictor.limits()),
      freeBytes: await this.#evictor.freeBytes(),
      ...counters,
      loading: this.#filler.flightCount + this.#fetcher.flightCount,
      stateFailures: state.failures,
      recovering: this.#recovery.active,
    };
  }

  /** How much of these contents is local. Takes as long as there are contents. */
  async survey(contents: Iterable<SurveyedContent>): Promise<Survey> {
    this.#requireOpen();
    return await surveyContents(this.#parts, contents, (key) => this.#lander.isLanding(key));
  }

  /** Ends fills with `ERR_ABORTED`, makes everything durable and gives the directory up. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { catalog, partials, state } = this.#parts;
    clearInterval(this.#timer);
    this.#closing.abort(new G8Error('ERR_ABORTED', 'The cache is being closed'));
    await Promise.all([this.#filler.idle(), this.#lander.idle()]);
    await Promise.allSettled([this.#upkeep, this.#background, this.#evictor.idle()]);
    await this.#checkpoint.close();
    try {
      await this.#collectTouched();
      await this.#checkpoint.run();
      // While files are set aside, only their records say which of them are good.
      await catalog.putMeta({ bootId: this.#bootId, clean: true });
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `Cannot close the cache ${this.layout.dir} cleanly`);
    } finally {
      for (const content of [...partials.all()]) await partials.remove(content);
      await rm(this.layout.lock, { force: true });
      await state.close();
    }
  }

  // What did not land is filled as soon as that is known for it, beside the landings of the others.
  async #fillRest(
    spans: readonly FillSpan[],
    landings: readonly Promise<boolean>[],
    options: FillOptions,
  ): Promise<void> {
    const fills = spans.map(async ({ ref, first, count }, index) => {
      if (await landings[index]) return;
      await this.fill(ref, first, count, options);
    });
    const results = await Promise.allSettled(fills);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new G8Error('ERR_ABORTED', 'The cache is closed');
  }

  async #setPinned(digest: Uint8Array, pinned: boolean): Promise<void> {
    this.#requireOpen();
    const record = await this.#parts.catalog.update(digest, (now) => now && { ...now, pinned });
    if (record !== undefined) return;
    throw new G8Error('ERR_NO_INPUT', `Content ${toHex(digest)} is not in the cache`);
  }

  async #collectTouched(): Promise<void> {
    const touched = this.#parts.residency.touched();
    const digests: Uint8Array[] = [];
    for (let at = 0; at + DIGEST_SIZE <= touched.length; at += DIGEST_SIZE) {
      digests.push(touched.slice(at, at + DIGEST_SIZE));
    }
    this.#parts.counters.hits += digests.length;
    await this.#contents.touch(digests);
  }

  #startUpkeep(): void {
    this.#upkeep ??= this.#runUpkeep()
      // Nothing here is needed for a read to be right, and the next turn tries again.
      .catch(() => {})
      .finally(() => {
        this.#upkeep = undefined;
      });
  }

  async #runUpkeep(): Promise<void> {
    await this.#collectTouched();
    await this.#contents.forgetIdle(PARTIAL_COUNT_MAX);
    this.#evictor.check();
  }
}

async function openState(layout: CacheLayout): Promise<{ state: State }> {
  try {
    return await State.open(layout.state);
  } catch (error) {
    if (!isG8Error(error, 'ERR_CACHE_LOCKED')) throw error;
    const pid = (await readFile(layout.lock, 'latin1').catch(() => '')).trim();
    const owner = /^\d+$/.test(pid) ? ` by process ${pid}` : '';
    throw new G8Error('ERR_CACHE_LOCKED', `The cache ${layout.dir} is in use${owner}`, {
      cause: error,
      details: { dir: layout.dir, pid },
    });
  }
}
