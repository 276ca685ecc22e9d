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
import type { FillPriority } from '../cache/fetch.ts';
import type { ContentsReader } from '../format/index/contents-reader.ts';
import type { Need, SessionBinding } from '../native/addon.ts';
import type { ChunkStore } from '../store/store.ts';
import type { LogFields, Logger } from './log.ts';
import type { Pacer } from './pacer.ts';

/** The farthest that is read ahead of a sequential reader: with 512 KiB blocks, 4 MiB. */
const READAHEAD_BLOCKS_MAX = 8;
/** Contents whose reading position is remembered; a forgotten one only starts small again. */
const POSITIONS_MAX = 1024;

/** Failed reads that are logged within a time; the rest is counted. */
const FAILURES_MAX = 20;
const FAILURE_WINDOW_MS = 10_000;

/** What a mount brings: where its contents are described and where their chunks are. */
export interface DemandSource {
  readonly mountPoint: string;
  readonly contents: ContentsReader;
  readonly store: ChunkStore;
  readonly deadlineMs: number;
}

type Contents = Pick<SessionBinding, 'contentFail'>;

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
  #failures = { sinceMs: 0, count: 0 };
  readonly #positions = new Map<string, Position>();

  constructor(options: {
    cache: ContentCache;
    contents: Contents;
    log: Logger;
    /** Is told of every read that somebody waits for. */
    pacer: Pick<Pacer, 'startRead'>;
  }) {
    this.#cache = options.cache;
    this.#contents = options.contents;
    this.#log = options.log;
    this.#pacer = options.pacer;
  }

  /** Answers one need of the native driver. Never throws: a failure becomes the readers' errno. */
  async answer(source: DemandSource, need: Need): Promise<void> {
    let ref: ContentRef | undefined;
    try {
      ref = contentRef(source.contents, need.content);
      // Tells the driver what it finds: a complete file, or a partial one and its blocks.
      await this.fill(source, ref, need.block, need.count);
    } catch (error) {
      this.#fail(source, need, ref, error);
    }
  }

  /** Makes blocks present within the mount's deadline, then reads ahead of a sequential reader. */
  async fill(source: DemandSource, ref: ContentRef, block: number, count: number): Promise<void> {
    // Without blocks it is only to be looked at, and nobody waits.
    const endRead = count > 0 ? this.#pacer.startRead() : undefined;
    try {
      await this.#load(source, ref, { block, count }, 'demand');
    } finally {
      endRead?.();
    }
    if (count > 0 && ref.chunkCount > 1) this.#readAhead(source, ref, block, count);
  }

  async #load(
    { store, deadlineMs, mountPoint }: DemandSource,
    ref: ContentRef,
    { block, count }: { readonly block: number; readonly count: number },
    priority: FillPriority,
  ): Promise<void> {
    // Its error is ERR_TIMEOUT; that of `AbortSignal.timeout` would tell the reader EINTR.
    const deadline = startDeadline({ timeoutMs: deadlineMs, what: `Read at ${mountPoint}` });
    try {
      await this.#cache.load(ref, block, count, { store, priority, signal: deadline.signal });
    } finally {
      deadline.clear();
    }
  }

  #readAhead(source: DemandSource, ref: ContentRef, block: number, count: number): void {
    const key = toHex(ref.digest);
    const before = this.#positions.get(key) ?? { reader: 0, next: 0, window: 1 };
    // A reader that is faster than the network waits for blocks that are on their way already.
    const sequential = block >= before.reader && block <= before.next;
    const window = sequential ? Math.min(before.window * 2, READAHEAD_BLOCKS_MAX) : 1;
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
    this.#load(source, ref, { block: from, count: end - from }, 'background')
      // Nobody waits for it: a reader that comes to these blocks asks again and gets the error.
      .catch((error: unknown) => this.#log.debug({ err: error }, 'readahead failed'));
  }

  /** A hub that is away for a day must not fill the disk with the reads that missed it. */
  #logFailure(fields: LogFields, message: string): void {
    const now = Date.now();
    if (now - this.#failures.sinceMs > FAILURE_WINDOW_MS) {
      const left = this.#failures.count - FAILURES_MAX;
      if (left > 0) this.#log.warn({ count: left }, 'more reads failed than are listed');
      this.#failures = { sinceMs: now, count: 0 };
    }
    this.#failures.count++;
    if (this.#failures.count <= FAILURES_MAX) this.#log.error(fields, message);
  }

  #fail(source: DemandSource, need: Need, ref: ContentRef | undefined, error: unknown): void {
    const failure: G8Error = toG8Error(error, 'ERR_INTERNAL', 'Read failed');
    const digest = ref === undefined ? undefined : toHex(ref.digest);
    this.#logFailure(
      { code: failure.code, mountPoint: source.mountPoint, content: digest, block: need.block },
      failure.message,
    );
    if (ref !== undefined) {
      this.#contents.contentFail(ref.digest, need.block, need.count, failure.errno);
    }
  }
}

/** A row of the content table as the cache wants it. @throws ERR_FLIST_FORMAT */
export function contentRef(contents: ContentsReader, index: number): ContentRef {
  const row = contents.content(index);
  return {
    digest: row.digest,
    size: row.size,
    blockSize: row.blockSize,
    algorithm: row.algorithm,
    chunkCount: row.chunkCount,
    chunk: (block) => contents.chunk(index, block),
  };
}
