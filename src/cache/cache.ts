/**
 * The node's content cache, shared by every image: files named by what they contain, filled block by
 * block with verified bytes, kept within limits. Docs: docs/decisions/0004-cache-sealed-files.md.
 *
 * This module opens, joins and closes the parts. Not here: mounts, flists, and the driver, which is
 * told through {@link Residency} and opens complete files by itself.
 *
 * Concurrency: all methods may be called at the same time; one process owns a cache directory.
 */
import { rm } from 'node:fs/promises';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { ChunkStore } from '../store/store.ts';
import type { CacheOptions } from './cache-options.ts';
import { Checkpoint } from './checkpoint.ts';
import type { ContentRef } from './content.ts';
import { Contents } from './contents.ts';
import { dropCorrupt } from './corrupt.ts';
import { Evictor } from './evict.ts';
import { ChunkFetcher } from './fetch.ts';
import { Filler } from './fill.ts';
import type { FillOptions } from './fill-options.ts';
import { DiskHealth, probeFolder, probePath, type Trouble } from './health.ts';
import { Lander } from './land.ts';
import type { CacheLayout } from './layout.ts';
import { Lender } from './lend.ts';
import { type FillSpan, Loader } from './load.ts';
import { type OpenedCache, openCache } from './open-cache.ts';
import type { CacheParts } from './parts.ts';
import type { Quota } from './quota.ts';
import type { Recovery } from './recover.ts';
import { Scrubber } from './scrub.ts';
import { type CacheStatus, LastFacts, statusOf } from './status.ts';
import { type Survey, type SurveyedContent, surveyContents } from './survey.ts';
import { discardUnsynced } from './unsynced.ts';
import { Upkeep } from './upkeep.ts';
import { Verifier, type VerifyOptions, type VerifyProgress } from './verify.ts';

/** Room that a cache without room has to find to count as well again: a block of the usual size. */
const PROBE_BYTES = 512 * 1024;

export class ContentCache {
  readonly layout: CacheLayout;
  readonly #parts: CacheParts;
  readonly #contents: Contents;
  readonly #fetcher: ChunkFetcher;
  readonly #filler: Filler;
  readonly #lander: Lander;
  readonly #evictor: Evictor;
  readonly #health: DiskHealth;
  readonly #loader: Loader;
  readonly #checkpoint: Checkpoint;
  readonly #recovery: Recovery;
  readonly #closing: AbortController;
  readonly #bootId: string;
  readonly #background: Promise<void>;
  readonly #upkeep: Upkeep;
  readonly #scrubber: Scrubber;
  readonly #facts = new LastFacts();
  /** Its disk, or that of the cache it stands in for, does not answer: whoever needs what is there waits. */
  readonly isDiskAway: () => boolean;
  #closed: Promise<void> | undefined;

  private constructor(options: CacheOptions, opened: OpenedCache) {
    const { parts, recovery } = opened;
    this.layout = parts.layout;
    this.#parts = parts;
    this.#recovery = recovery;
    this.#closing = opened.closing;
    this.#bootId = opened.bootId;
    this.#checkpoint = new Checkpoint(parts, async (key, digest, error) => {
      this.#health.writeFailed(error);
      await this.#contents.discard(key, digest);
    });
    const onComplete = (): void => this.#checkpoint.due();
    this.#contents = new Contents({ parts, recovery, onComplete });
    this.#evictor = new Evictor({
      dir: options.dir,
      state: parts.state,
      catalog: parts.catalog,
      counters: parts.counters,
      sizeMaxBytes: options.sizeMaxBytes,
      freeFloorBytes: options.freeFloorBytes,
      refresh: () => this.#upkeep.collectTouched(),
      evict: (digest) => this.#contents.evict(digest),
      dropSpare: () => dropCorrupt(parts.layout),
    });
    this.#health = new DiskHealth({
      now: options.now ?? Date.now,
      probe: options.standsIn?.probe ?? (() => this.#probe()),
      awaitAnswer: async () =>
        options.probeDisk === undefined
          ? await probeFolder(parts.layout.tmp)
          : await options.probeDisk(probePath(parts.layout.tmp)),
      restore: options.standsIn?.restore ?? (() => discardUnsynced(parts)),
      onEvent: (event) => {
        parts.residency.trust(this.#health.trust);
        // Or whatever waits for the disk keeps the store's calls.
        if (event.type === 'degraded' && event.reason === 'hanging') this.#fetcher.letGo();
        if (event.type === 'suspect') this.#scrubber.onReadError();
        options.onHealth?.(event);
      },
    });
    this.#fetcher = new ChunkFetcher(parts.counters);
    const fetcher = this.#fetcher;
    this.#lander = new Lander({ parts, evictor: this.#evictor, fetcher, recovery, onComplete });
    this.#filler = new Filler(parts, this.#evictor, fetcher, async (content) => {
      await this.#contents.complete(content);
      // Counted a bit late when it fails; the next batch or the completion makes up for it.
      await this.#contents.measure(content).catch(() => {});
    });
    this.#loader = new Loader({
      parts,
      contents: this.#contents,
      evictor: this.#evictor,
      lander: this.#lander,
      lender: new Lender(parts, fetcher),
      health: this.#health,
      filler: this.#filler,
    });
    this.#upkeep = new Upkeep({
      parts,
      contents: this.#contents,
      evictor: this.#evictor,
      health: this.#health,
    });
    this.#scrubber = new Scrubber({
      verify: (verifyOptions) => this.verify(verifyOptions),
      bytesPerSecond: options.scrubBytesPerSecond ?? 0,
      signal: parts.closing,
    });
    this.isDiskAway = options.standsIn?.isDiskAway ?? (() => this.#health.hangs);
    if (options.standsIn !== undefined) this.#health.break(options.standsIn.message);
    if (opened.crashed) this.#checkpoint.due();
    // What fails here is found again, content by content, when it is used.
    this.#background = recovery
      .run({ crashed: opened.crashed, signal: parts.closing })
      .catch(() => {});
  }

  /**
   * Opens a cache, creating it when it is not there. Takes milliseconds whatever the cache holds.
   *
   * @throws ERR_CACHE_LOCKED, ERR_CACHE_FULL, ERR_PERMISSION, ERR_IO
   */
  static async open(options: CacheOptions): Promise<ContentCache> {
    return new ContentCache(options, await openCache(options));
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
    await this.#loader.fill(ref, first, count, options);
  }

  /**
   * Makes blocks of several contents present: as {@link fill} for each, with fewer requests.
   *
   * @throws the first failure, once all have ended
   */
  async fillMany(spans: readonly FillSpan[], options: FillOptions): Promise<void> {
    this.#requireOpen();
    await this.#loader.fillMany(spans, options);
  }

  /**
   * Those of a content's blocks that a fill would have to work for.
   *
   * @throws ERR_FLIST_FORMAT when the content is not what its digest says; ERR_CACHE_FULL, ERR_IO
   */
  async missing(ref: ContentRef, first: number, count: number): Promise<number[]> {
    this.#requireOpen();
    return await this.#loader.missing(ref, first, count);
  }

  /**
   * {@link attach} and {@link fill} in one, for a reader that waits: the shortest way for a content that fits in
   * one chunk and of which nothing is here. A reader on demand is served from memory when the disk does not take
   * the blocks.
   *
   * @throws as both; ERR_CACHE_FULL and ERR_IO of the disk only for other priorities
   */
  async load(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    this.#requireOpen();
    await this.#loader.load(ref, first, count, options);
  }

  /**
   * The driver could not read a content's file: it is taken out of service and kept aside, and the blocks are
   * served from memory.
   *
   * @throws as {@link fill}, but for failures of the disk
   */
  async rescue(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    this.#requireOpen();
    await this.#loader.rescue(ref, first, count, options);
  }

  /**
   * The driver waited for the disk for too long: the blocks are served from memory, out of what is here when the disk
   * is back.
   *
   * @throws as {@link fill}, but for failures of the disk
   */
  async passBy(ref: ContentRef, first: number, count: number, options: FillOptions): Promise<void> {
    this.#requireOpen();
    await this.#loader.passBy(ref, first, count, options);
  }

  /** Evicts so that this much more fits; bytes freed. For files of other layers below the cache's folder. */
  async makeRoom(bytes: number): Promise<number> {
    this.#requireOpen();
    return await this.#evictor.makeRoom(bytes);
  }

  /**
   * Makes whole contents complete that nobody has open yet; leaves alone what is complete.
   *
   * @throws as {@link fillMany}
   */
  async prefetch(refs: readonly ContentRef[], options: FillOptions): Promise<void> {
    this.#requireOpen();
    await this.#loader.prefetch(refs, options);
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
    this.#requireOpen();
    await this.#contents.setPinned(digest, true);
  }

  /** @throws ERR_NO_INPUT when the cache does not know the content */
  async unpin(digest: Uint8Array): Promise<void> {
    this.#requireOpen();
    await this.#contents.setPinned(digest, false);
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

  /** Somebody else has seen the disk fail. What was written lately is synced, or it is dropped. */
  noteDiskError(error: 'read' | 'write'): void {
    if (error === 'read') this.#health.readFailed();
    else void this.#health.probe().then(() => this.#checkpoint.run().catch(() => {}));
  }

  /** Somebody waits for the disk: `doubt` asks it for a sign of life, `hangs` needs no more proof. */
  noteSilence(silence: 'doubt' | 'hangs'): void {
    if (silence === 'doubt') this.#health.doubt();
    else this.#health.hang();
  }

  /** What is wrong with the disk; undefined when nothing is. */
  get trouble(): Trouble | undefined {
    return this.#health.trouble;
  }

  async status(): Promise<CacheStatus> {
    return await statusOf({
      facts: this.#facts,
      parts: this.#parts,
      evictor: this.#evictor,
      health: this.#health,
      recovery: this.#recovery,
      loading: this.#filler.flightCount + this.#fetcher.flightCount,
    });
  }

  /** What an answer of this store takes: the shortest time to a first chunk lately, in milliseconds. */
  answerMs(store: ChunkStore): number | undefined {
    return this.#fetcher.answerMs(store);
  }

  /** Whether this many plain bytes fit without anything being evicted for them, and the disk takes them. */
  async hasRoom(bytes: number, quota?: Quota): Promise<boolean> {
    return !this.#health.refusesWrites && (await this.#evictor.hasRoom(bytes, quota));
  }

  /** Asks the driver what was opened, as it is done from time to time. */
  async collectTouched(): Promise<void> {
    this.#requireOpen();
    await this.#upkeep.collectTouched();
  }

  /** Bytes of what an owner has brought; see `quota.ts`. */
  ownedBytes(owner: number): number {
    return this.#parts.catalog.ownedBytes(owner);
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
    this.#upkeep.stop();
    this.#health.close();
    this.#closing.abort(new G8Error('ERR_ABORTED', 'The cache is being closed'));
    await Promise.all([this.#filler.idle(), this.#lander.idle(), this.#loader.idle()]);
    await Promise.allSettled([
      this.#scrubber.idle(),
      this.#upkeep.idle(),
      this.#background,
      this.#evictor.idle(),
    ]);
    await this.#checkpoint.close();
    try {
      await this.#upkeep.collectTouched();
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

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new G8Error('ERR_ABORTED', 'The cache is closed');
  }

  /** What the next write would meet. */
  async #probe(): Promise<void> {
    const giveBack = await this.#evictor.admit(PROBE_BYTES, 'demand');
    try {
      await probeFolder(this.layout.tmp);
      await this.#parts.state.flush();
    } finally {
      giveBack();
    }
  }
}
