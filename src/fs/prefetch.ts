/**
 * Fetches what a mount will need before it is asked for: the parts that a start profile names, in its order,
 * or everything. Goes behind the mount, never before it, and behind every read that somebody waits for.
 *
 * Not here: how blocks get into the cache, and which requests that takes (`cache`). A prefetch that fails
 * leaves the mount as it is: whoever reads what it lacks gets it, or the error.
 */
import { join } from 'node:path';
import { createAbortController } from '../base/abort.ts';
import { formatSize } from '../base/bytes.ts';
import { startDeadline } from '../base/deadline.ts';
import { type ErrorCode, G8Error, toG8Error } from '../base/errors.ts';
import { RateLimit } from '../base/rate-limit.ts';
import { retry } from '../base/retry.ts';
import type { ContentCache } from '../cache/cache.ts';
import type { FillPriority } from '../cache/fetch.ts';
import type { FillSpan } from '../cache/load.ts';
import type { Quota } from '../cache/quota.ts';
import { ContentsReader } from '../format/index/contents-reader.ts';
import type { Profile } from '../format/profile.ts';
import { type FileSource, openFileSource } from '../image/file-source.ts';
import { INDEX_FILES } from '../image/index-files.ts';
import type { BlockSpan, ProfilePlan } from '../image/profile-plan.ts';
import type { ChunkStore } from '../store/store.ts';
import { contentRef } from './content-ref.ts';
import type { Logger } from './log.ts';
import type { MissLog } from './miss-log.ts';
import type { Pacer } from './pacer.ts';

/** Batches on their way at the same time: their connections leave slow start together. */
const BATCHES_MAX = 4;
/** Of one batch: a request to a hub. Small, so that what comes first in a profile also arrives first. */
const BATCH_BLOCKS_MAX = 64;
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
/** Blocks whose presence is looked up in one step. */
const LOOK_BLOCKS_MAX = 1024;
/** A batch that takes longer has failed. */
const BATCH_TIMEOUT_MS = 120_000;
/** Nobody waits, so that a hub may take its time to come back. */
const BATCH_RETRY = {
  attemptCount: 6,
  delayMsMin: 500,
  delayMsMax: 30_000,
  totalMs: 10 * BATCH_TIMEOUT_MS,
};
/** Batches that failed for good before the rest is given up. */
const FAILURES_MAX = 8;
/** What a profile may take of the cache; above that it would drive out what others use. */
const PROFILE_CACHE_SHARE_MAX = 0.5;
/** At a rate limit, what a batch may take of a second. */
const RATE_BATCH_SECONDS = 0.25;

export type PrefetchMode = 'none' | 'profile' | 'all';

/** What a mount asks for. */
export interface PrefetchRequest {
  readonly mode: Exclude<PrefetchMode, 'none'>;
  /** Path or URL of the profile; default beside the flist. */
  readonly profile?: string;
  /** Stored bytes per second. */
  readonly rateBytes?: number;
}

/** How far a prefetch is. Bytes are plain ones. */
export interface PrefetchStatus {
  readonly mode: PrefetchMode;
  /** `none`: there is nothing to fetch ahead, because there is no profile that fits. */
  readonly state: 'none' | 'running' | 'paused' | 'done' | 'failed';
  readonly localBytes: number;
  readonly totalBytes: number;
  /** Entries of the profile that the image has by content, by path, and not at all. */
  readonly profile: ProfilePlan['entries'] | null;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}

export interface PrefetchOptions extends Omit<PrefetchRequest, 'profile'> {
  readonly mountPoint: string;
  readonly cache: ContentCache;
  readonly store: ChunkStore;
  /** Counts what is fetched. */
  readonly misses: MissLog;
  /** Folder with the mount index. */
  readonly indexDir: string;
  /** Is being read since before the mount was made. */
  readonly profile: Promise<Profile | undefined>;
  readonly pacer: Pacer;
  readonly log: Logger;
  /** What its contents may take of the cache. */
  readonly quota?: Quota | undefined;
  /** There is no profile, or none that fits: what is read next can only be guessed. */
  readonly onNoProfile?: () => void;
}

interface Batch {
  readonly spans: readonly FillSpan[];
  readonly bytes: number;
  /** Bytes in the store; plain ones where that is not known. */
  readonly storedBytes: number;
}

export class Prefetch {
  readonly #options: PrefetchOptions;
  readonly #abort = createAbortController();
  readonly #rate: RateLimit | undefined;
  readonly #batchBytesMax: number;
  readonly #files: FileSource[] = [];
  readonly #finished: Promise<void>;
  #state: 'none' | 'running' | 'done' | 'failed' = 'running';
  #localBytes = 0;
  #totalBytes = 0;
  #profile: ProfilePlan['entries'] | null = null;
  #error: G8Error | undefined;
  #failures = 0;

  /** Starts at once. */
  constructor(options: PrefetchOptions) {
    this.#options = options;
    const { rateBytes } = options;
    this.#rate = rateBytes === undefined ? undefined : new RateLimit(rateBytes);
    this.#batchBytesMax = Math.min(
      BATCH_BYTES_MAX,
      (rateBytes ?? Number.POSITIVE_INFINITY) * RATE_BATCH_SECONDS,
    );
    this.#finished = this.#run();
  }

  status(): PrefetchStatus {
    const { mode, pacer } = this.#options;
    const isPaused = this.#state === 'running' && mode === 'all' && pacer.paused;
    const error = this.#error;
    return {
      mode,
      state: isPaused ? 'paused' : this.#state,
      localBytes: this.#localBytes,
      totalBytes: this.#totalBytes,
      profile: this.#profile,
      error: error === undefined ? null : { code: error.code, message: error.message },
    };
  }

  /** Stops it; resolves when nothing of it runs any more. Idempotent. */
  async close(): Promise<void> {
    this.#abort.abort(new G8Error('ERR_ABORTED', 'The mount is going away'));
    await this.#finished;
  }

  // Never throws.
  async #run(): Promise<void> {
    const { mountPoint, log } = this.#options;
    try {
      await this.#prefetch();
      if (this.#state === 'running') this.#state = this.#error === undefined ? 'done' : 'failed';
    } catch (error) {
      this.#error ??= toG8Error(error, 'ERR_INTERNAL', 'Prefetch failed');
      this.#state = 'failed';
    } finally {
      for (const file of this.#files) file.close();
    }
    const { code, message } = this.#error ?? {};
    if (code !== undefined && !this.#abort.signal.aborted) {
      log.warn({ mountPoint, code }, `prefetch: ${message}`);
    }
  }

  async #prefetch(): Promise<void> {
    const [index, contents, chunks] = INDEX_FILES.map((name) => {
      const file = openFileSource(join(this.#options.indexDir, name));
      this.#files.push(file);
      return file;
    }) as [FileSource, FileSource, FileSource];
    const reader = new ContentsReader(contents, chunks);
    const { mode, cache } = this.#options;
    const { sizeMaxBytes } = await cache.status();
    const isAll = mode === 'all';
    const plan = await this.#plan(reader, index);
    if (isAll) {
      this.#totalBytes = reader.totals().contentBytes;
      this.#requireRoom(this.#totalBytes, sizeMaxBytes);
    } else if (plan === undefined) {
      this.#state = 'none';
      // What is guessed has no rate of its own.
      if (this.#rate === undefined) this.#options.onNoProfile?.();
      return;
    } else {
      this.#totalBytes = plan.bytes;
      this.#requireRoom(plan.bytes, sizeMaxBytes * PROFILE_CACHE_SHARE_MAX);
    }
    await this.#fetch(reader, plan?.spans ?? [], 'profile');
    if (!isAll) return;
    // What the profile had is local by now, and counted again with the rest.
    this.#localBytes = 0;
    await this.#fetch(reader, everything(reader), 'background');
  }

  /** What the profile means here; `undefined` without one that fits. */
  async #plan(contents: ContentsReader, indexFile: FileSource): Promise<ProfilePlan | undefined> {
    const { mountPoint, log, profile } = this.#options;
    try {
      const found = await profile;
      if (found === undefined) return undefined;
      // Behind the mount, which needs neither.
      const { MountIndexReader } = await import('../format/index/reader.ts');
      const { planProfile } = await import('../image/profile-plan.ts');
      const index = new MountIndexReader(indexFile);
      const plan = await planProfile(found, { contents, index }, this.#abort.signal);
      this.#profile = plan.entries;
      if (!plan.stale) return plan;
      log.info({ mountPoint, ...plan.entries }, 'the start profile is of another image');
    } catch (error) {
      // Only a help: an image with a broken profile is an image without one.
      const { code, message } = toG8Error(error, 'ERR_IO', 'The start profile cannot be used');
      log.warn({ mountPoint, code }, message);
    }
    return undefined;
  }

  #requireRoom(bytes: number, room: number): void {
    if (bytes <= room) return;
    const sizes = `${formatSize(bytes)} do not fit into the ${formatSize(room)} that they may take`;
    throw new G8Error('ERR_CACHE_FULL', `${sizes} of the cache`);
  }

  async #fetch(
    contents: ContentsReader,
    spans: Iterable<BlockSpan>,
    priority: FillPriority,
  ): Promise<void> {
    const { signal } = this.#abort;
    const batches = this.#batches(contents, spans);
    const work = async (): Promise<void> => {
      for (;;) {
        if (this.#failures >= FAILURES_MAX) return;
        const next = await batches.next();
        if (next.done === true) return;
        await this.#rate?.take(next.value.storedBytes, signal);
        await this.#fill(next.value, priority);
      }
    };
    const results = await Promise.allSettled(Array.from({ length: BATCHES_MAX }, work));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #fill(batch: Batch, priority: FillPriority): Promise<void> {
    const { cache, pacer, store, misses, quota } = this.#options;
    const { signal } = this.#abort;
    const watcher = misses.watcher('prefetch');
    const fill = (): Promise<void> =>
      retry({ policy: BATCH_RETRY, what: 'Prefetch', signal }, async (inner) => {
        const what = 'A batch of the prefetch';
        const deadline = startDeadline({ timeoutMs: BATCH_TIMEOUT_MS, signal: inner, what });
        try {
          const options = { store, priority, watcher, quota, signal: deadline.signal };
          await cache.fillMany(batch.spans, options);
        } finally {
          deadline.clear();
        }
      });
    try {
      // A profile is what the next reads want: to hold it back would make them slower.
      await (priority === 'profile' ? fill() : pacer.run(fill, signal));
      this.#localBytes += batch.bytes;
      this.#failures = 0;
    } catch (error) {
      const failure = toG8Error(error, 'ERR_INTERNAL', 'Prefetch failed');
      this.#error ??= failure;
      if (signal.aborted || failure.code === 'ERR_CACHE_FULL') throw failure;
      this.#failures++;
    }
  }

  /** What is not local yet, in pieces of the size of a request. */
  async *#batches(
    contents: ContentsReader,
    spans: Iterable<BlockSpan>,
  ): AsyncGenerator<Batch, void, void> {
    let [pieces, bytes, storedBytes, blocks] = [[] as FillSpan[], 0, 0, 0];
    for (const { ref, first, count } of this.#pieces(contents, spans)) {
      const absent = new Set(await this.#options.cache.missing(ref, first, count));
      for (let block = first; block < first + count; block++) {
        const size = Math.min(ref.blockSize, ref.size - block * ref.blockSize);
        if (!absent.has(block)) {
          this.#localBytes += size;
          continue;
        }
        addBlock(pieces, ref, block);
        bytes += size;
        storedBytes += ref.chunk(block).storedSize || size;
        if (++blocks < BATCH_BLOCKS_MAX && storedBytes < this.#batchBytesMax) continue;
        yield { spans: pieces, bytes, storedBytes };
        [pieces, bytes, storedBytes, blocks] = [[], 0, 0, 0];
      }
    }
    if (pieces.length > 0) yield { spans: pieces, bytes, storedBytes };
  }

  *#pieces(contents: ContentsReader, spans: Iterable<BlockSpan>): Generator<FillSpan> {
    for (const { row, first, count } of spans) {
      const ref = contentRef(contents, row);
      for (let at = first; at < first + count; at += LOOK_BLOCKS_MAX) {
        yield { ref, first: at, count: Math.min(LOOK_BLOCKS_MAX, first + count - at) };
      }
    }
  }
}

function addBlock(spans: FillSpan[], ref: FillSpan['ref'], block: number): void {
  const last = spans.at(-1);
  if (last !== undefined && last.ref === ref && last.first + last.count === block) {
    spans[spans.length - 1] = { ...last, count: last.count + 1 };
  } else {
    spans.push({ ref, first: block, count: 1 });
  }
}

function* everything(contents: ContentsReader): Generator<BlockSpan> {
  for (const { index, chunkCount } of contents.all()) {
    yield { row: index, first: 0, count: chunkCount };
  }
}
