/**
 * Answers the drivers' needs: a block that a reader waits for is filled by the cache from the mount's
 * store. Also reads ahead of sequential readers. Runs on the JS thread; fetching, decoding and writing
 * happen elsewhere.
 */

import { toHex } from '../base/bytes.ts';
import { startDeadline } from '../base/deadline.ts';
import { type G8Error, toG8Error } from '../base/errors.ts';
import type { ContentCache } from '../cache/cache.ts';
import type { ContentRef } from '../cache/content.ts';
import type { FillOptions } from '../cache/fill-options.ts';
import type { Quota } from '../cache/quota.ts';
import type { ContentsReader } from '../format/index/contents-reader.ts';
import type { Need, SessionBinding } from '../native/addon.ts';
import type { ChunkStore } from '../store/store.ts';
import type { AbandonedReads } from './abandoned-reads.ts';
import { contentRef } from './content-ref.ts';
import { Foresight, type ForesightOptions } from './foresight/foresight.ts';
import { OpenedContents } from './foresight/opened-contents.ts';
import { LimitedLog } from './limited-log.ts';
import type { Logger } from './log.ts';
import type { Miss } from './miss.ts';
import type { MissLog } from './miss-log.ts';
import type { Pacer } from './pacer.ts';
import type { SlowReads } from './slow-reads.ts';
import { Sweep } from './sweep.ts';

/** The farthest that is read ahead of a sequential reader: 20 ms at 6 Gbit/s. */
const READAHEAD_BYTES_MAX = 16 * 1024 * 1024;
/** Contents whose reading position is remembered; a forgotten one only starts small again. */
const POSITIONS_MAX = 1024;

/** What a mount brings: where its contents are described and where their chunks are. */
export interface DemandSource {
  readonly mountPoint: string;
  readonly contents: ContentsReader;
  readonly store: ChunkStore;
  readonly deadlineMs: number;
  /** Where its waits are noted. */
  readonly misses: MissLog;
  /** What its contents may take of the cache. */
  readonly quota?: Quota | undefined;
  /** Guesses what is read next; absent: nothing is. */
  readonly foresight?: Foresight | undefined;
}

type Contents = Pick<SessionBinding, 'contentFail' | 'isDiskAway'>;

interface Position {
  /** Where the reader is, and the end of what was asked for on its behalf. */
  readonly reader: number;
  readonly next: number;
  readonly window: number;
}

export class Demand {
  readonly #cache: ContentCache;
  readonly #contents: Contents;
  readonly #log: Logger;
  readonly #pacer: Pick<Pacer, 'startRead'>;
  readonly #failures: LimitedLog;
  readonly #abandoned: AbandonedReads | undefined;
  readonly #opened: OpenedContents;
  /** Watches the waits of all mounts. */
  readonly slowReads: SlowReads | undefined;
  readonly #positions = new Map<string, Position>();
  readonly #sweeps = new WeakMap<DemandSource, Sweep>();
  #leaves = false;

  constructor(options: {
    cache: ContentCache;
    contents: Contents;
    log: Logger;
    /** Is told of every read that somebody waits for. */
    pacer: Pick<Pacer, 'startRead'>;
    slowReads?: SlowReads;
    /** Ends what nobody waits for any more; without it, the deadline does. */
    abandoned?: AbandonedReads;
    /** Tells which of what was foretold is used. */
    opened?: OpenedContents;
  }) {
    this.#cache = options.cache;
    this.#contents = options.contents;
    this.#log = options.log;
    this.#pacer = options.pacer;
    this.#failures = new LimitedLog(options.log, 'failed reads');
    this.slowReads = options.slowReads;
    this.#abandoned = options.abandoned;
    this.#opened = options.opened ?? new OpenedContents();
  }

  /** For a {@link DemandSource}; whoever makes it closes it. */
  foresight(source: Omit<ForesightOptions, 'cache' | 'opened' | 'log'>): Foresight {
    return new Foresight({
      ...source,
      cache: this.#cache,
      opened: this.#opened,
      log: this.#log,
    });
  }

  /** Another daemon answers what fails from now on: its readers wait a moment longer. */
  leave(): void {
    this.#leaves = true;
  }

  /** Answers one need of the native driver. Never throws: a failure becomes the readers' errno. */
  async answer(source: DemandSource, need: Need): Promise<void> {
    let ref: ContentRef | undefined;
    // What only looks at a content keeps nobody waiting.
    const miss = need.count > 0 ? source.misses.begin(need) : undefined;
    const isWatched = miss !== undefined && need.broken !== true;
    const watch = isWatched ? this.#abandoned?.add(need) : undefined;
    let failure: unknown;
    try {
      ref = contentRef(source.contents, need.content);
      if (miss !== undefined) miss.fileSize = ref.size;
      // Tells the driver what it finds: a complete file, or a partial one and its blocks.
      const isBeginning = need.block === 0 && need.count > 0 && need.broken !== true;
      const riders = isBeginning ? () => source.foresight?.riders(need) : undefined;
      const reader = { miss, signal: watch?.signal, riders };
      const loaded =
        need.broken === true
          ? this.#rescue(source, ref, need, miss)
          : this.fill(source, ref, need.block, need.count, reader);
      if (need.block === 0 && need.count > 0) this.#followSweep(source, need.content);
      await loaded;
      if (isBeginning) source.foresight?.landed(need);
    } catch (error) {
      failure = error;
      // Whoever comes for these blocks now has asked anew.
      if (watch?.signal.aborted !== true) this.#fail(source, need, ref, error);
    } finally {
      watch?.end();
      if (miss !== undefined) source.misses.end(miss, failure);
    }
  }

  /** Fetches the files ahead of a reader that goes through the tree in order. */
  #followSweep(source: DemandSource, content: number): void {
    const sweep =
      this.#sweeps.get(source) ??
      new Sweep(source.contents, (row) => source.foresight?.has(row) === true);
    this.#sweeps.set(source, sweep);
    const { store, mountPoint, deadlineMs, quota } = source;
    let refs: ContentRef[];
    try {
      refs = sweep.miss(content).map((index) => contentRef(source.contents, index));
    } catch (error) {
      // The index is broken somewhere else: whoever reads there gets the error.
      sweep.stop();
      this.#log.debug({ err: error }, 'readahead failed');
      return;
    }
    if (refs.length === 0) return;
    const what = `Readahead at ${mountPoint}`;
    const deadline = startDeadline({ timeoutMs: deadlineMs, what });
    const watcher = source.misses.watcher('ahead');
    const fill = { store, priority: 'profile', watcher, quota } as const;
    const options = { ...fill, signal: deadline.signal };
    // Nobody waits for it: a reader that comes to these files asks again and gets the error.
    this.#cache
      .prefetch(refs, options)
      .catch((error: unknown) => {
        // Without room or a store, what comes behind would fail as well.
        sweep.stop();
        this.#log.debug({ err: error }, 'readahead failed');
      })
      .finally(() => deadline.clear());
  }

  /** Makes blocks present within the mount's deadline, then reads ahead of a sequential reader. */
  async fill(
    source: DemandSource,
    ref: ContentRef,
    block: number,
    count: number,
    reader: {
      readonly miss?: Miss | undefined;
      readonly signal?: AbortSignal | undefined;
      readonly riders?: FillOptions['riders'];
    } = {},
  ): Promise<void> {
    const watcher = source.misses.watcher('demand', reader.miss);
    // Without blocks it is only to be looked at, and nobody waits.
    const endRead = count > 0 ? this.#pacer.startRead() : undefined;
    try {
      await this.#load(
        source,
        ref,
        { block, count },
        {
          priority: 'demand',
          watcher,
          signal: reader.signal,
          riders: reader.riders,
        },
      );
    } finally {
      endRead?.();
    }
    if (count > 0 && ref.chunkCount > 1) this.#readAhead(source, ref, block, count);
  }

  /** The driver cannot read the content's file. */
  async #rescue(source: DemandSource, ref: ContentRef, need: Need, miss?: Miss): Promise<void> {
    const { store, deadlineMs, mountPoint } = source;
    // The need may be older than the end of a hang.
    if (this.#contents.isDiskAway()) this.#cache.noteSilence('hangs');
    if (need.away !== true) {
      const fields = { mountPoint, content: toHex(ref.digest) };
      this.#failures.write('error', fields, 'a file of the cache cannot be read and is set aside');
    }
    const deadline = startDeadline({ timeoutMs: deadlineMs, what: `Read at ${mountPoint}` });
    const watcher = source.misses.watcher('demand', miss);
    const options = { store, priority: 'demand', signal: deadline.signal, watcher } as const;
    try {
      if (need.away === true) await this.#cache.passBy(ref, need.block, need.count, options);
      else await this.#cache.rescue(ref, need.block, need.count, options);
    } finally {
      deadline.clear();
    }
  }

  async #load(
    { store, deadlineMs, mountPoint, quota }: DemandSource,
    ref: ContentRef,
    { block, count }: { readonly block: number; readonly count: number },
    { signal, ...options }: Pick<FillOptions, 'priority' | 'watcher' | 'signal' | 'riders'>,
  ): Promise<void> {
    // Its error is ERR_TIMEOUT; that of `AbortSignal.timeout` would tell the reader EINTR.
    const deadline = startDeadline({
      timeoutMs: deadlineMs,
      signal,
      what: `Read at ${mountPoint}`,
    });
    try {
      const fill = { store, quota, signal: deadline.signal, ...options };
      await this.#cache.load(ref, block, count, fill);
    } finally {
      deadline.clear();
    }
  }

  #readAhead(source: DemandSource, ref: ContentRef, block: number, count: number): void {
    const key = toHex(ref.digest);
    const before = this.#positions.get(key) ?? { reader: 0, next: 0, window: 1 };
    // A reader that is faster than the network waits for blocks that are on their way already.
    const sequential = block >= before.reader && block <= before.next;
    const windowMax = Math.max(2, Math.floor(READAHEAD_BYTES_MAX / ref.blockSize));
    const window = sequential ? Math.min(before.window * 2, windowMax) : 1;
    const reader = block + count;
    const from = sequential ? Math.max(reader, before.next) : reader;
    const end = window > 1 ? Math.min(reader + window, ref.chunkCount) : reader;
    this.#positions.delete(key);
    this.#positions.set(key, { reader, next: Math.max(from, end), window });
    if (this.#positions.size > POSITIONS_MAX) {
      const [oldest] = this.#positions.keys();
      if (oldest !== undefined) this.#positions.delete(oldest);
    }
    if (end <= from) return;
    const options = { priority: 'profile', watcher: source.misses.watcher('ahead') } as const;
    this.#load(source, ref, { block: from, count: end - from }, options)
      // Nobody waits for it: a reader that comes to these blocks asks again and gets the error.
      .catch((error: unknown) => this.#log.debug({ err: error }, 'readahead failed'));
  }

  #fail(source: DemandSource, need: Need, ref: ContentRef | undefined, error: unknown): void {
    if (this.#leaves) return;
    const failure: G8Error = toG8Error(error, 'ERR_INTERNAL', 'Read failed');
    const digest = ref === undefined ? undefined : toHex(ref.digest);
    this.#failures.write(
      'error',
      { code: failure.code, mountPoint: source.mountPoint, content: digest, block: need.block },
      failure.message,
    );
    if (ref !== undefined) {
      this.#contents.contentFail(ref.digest, need.block, need.count, failure.errno);
    }
  }
}
