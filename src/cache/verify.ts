/**
 * Reads the whole cache and compares every byte with its digest: the only way to notice what the
 * storage device changed by itself.
 *
 * Concurrency: one content at a time, under its lock; fills and reads of others go on.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import type { DigestAlgorithm } from '../base/codec.ts';
import { createBitmap, hasBit, setBit } from './bitmap.ts';
import type { Contents } from './contents.ts';
import { verifyBlocks } from './copy.ts';
import type { CacheParts } from './parts.ts';
import type { ContentRecord } from './records.ts';
import { findStats, isSealed, openExisting, seal } from './seal.ts';

/** Plain bytes verified between two looks at the signal and calls of `progress`. */
const SLICE_BYTES = 256 * 1024 * 1024;
/** With a limit, so much of a second's bytes at a time. */
const PACED_SHARE = 0.1;
/** Corrupt contents that are named. */
const CORRUPT_LISTED_MAX = 1000;

export interface VerifyProgress {
  readonly contents: number;
  readonly contentsTotal: number;
  readonly bytes: number;
  readonly corruptFiles: number;
  /** Digests of these in hex, the first {@link CORRUPT_LISTED_MAX}. */
  readonly corrupt: readonly string[];
}

export interface VerifyOptions {
  /** Read at most this much in a second; default as fast as it goes. */
  readonly bytesPerSecond?: number;
  readonly progress?: (progress: VerifyProgress) => void;
  readonly signal?: AbortSignal;
}

export class Verifier {
  readonly #parts: CacheParts;
  readonly #contents: Contents;
  readonly #options: VerifyOptions;
  #done: { contents: number; bytes: number; corruptFiles: number; corrupt: string[] } = {
    contents: 0,
    bytes: 0,
    corruptFiles: 0,
    corrupt: [],
  };
  readonly #began = performance.now();

  constructor(parts: CacheParts, contents: Contents, options: VerifyOptions) {
    this.#parts = parts;
    this.#contents = contents;
    this.#options = options;
  }

  /** @throws ERR_ABORTED */
  async run(): Promise<VerifyProgress> {
    const { catalog, lock, state } = this.#parts;
    await state.flush();
    for await (const { digest } of catalog.records()) {
      throwIfAborted(this.#options.signal);
      const key = toHex(digest);
      await lock.run(key, async () => {
        const record = await catalog.find(digest);
        if (record?.complete === true) await this.#verifyComplete(key, digest, record);
        else if (record !== undefined) await this.#verifyPartial(key);
      });
      this.#done.contents++;
      this.#report();
      await this.#pace();
    }
    return this.#progress();
  }

  async #verifyComplete(key: string, digest: Uint8Array, record: ContentRecord): Promise<void> {
    const { catalog, layout } = this.#parts;
    const path = layout.filePath(key);
    const stats = await findStats(path);
    // Set aside after a power loss, or removed by hand: the next attach finds out.
    if (stats === undefined) return;
    const rows = await catalog.getRows(digest, record);
    if (stats.size === BigInt(record.size) && (await this.#isGood(path, record, rows))) {
      if (isSealed(stats, record.size)) return;
      await using file = await openExisting(path);
      if (file !== undefined) await seal(file);
      return;
    }
    this.#note(key);
    await this.#contents.discard(key, digest);
  }

  async #isGood(path: string, record: ContentRecord, rows: Uint8Array): Promise<boolean> {
    await using file = await openExisting(path);
    if (file === undefined) return true;
    const { blockSize, size } = record;
    const count = Math.ceil(size / blockSize);
    const { bytesPerSecond } = this.#options;
    const sliceBytes = Math.min(SLICE_BYTES, (bytesPerSecond ?? Infinity) * PACED_SHARE);
    const perSlice = Math.max(1, Math.floor(sliceBytes / blockSize));
    for (let first = 0; first < count; first += perSlice) {
      throwIfAborted(this.#options.signal);
      const end = Math.min(count, first + perSlice);
      const blocks = createBitmap(count);
      for (let block = first; block < end; block++) setBit(blocks, block);
      const matches = await this.#parts.addon.verifyFile({
        fd: file.fd,
        size,
        blockSize,
        algorithm: record.algorithm as DigestAlgorithm,
        plainDigests: rows,
        blocks,
      });
      for (let block = first; block < end; block++) if (!hasBit(matches, block)) return false;
      this.#done.bytes += Math.min(size, end * blockSize) - first * blockSize;
      this.#report();
      if (end < count) await this.#pace();
    }
    return true;
  }

  // Of those that are not in memory each block is verified before its next use anyway.
  async #verifyPartial(key: string): Promise<void> {
    const { dirty, partials, residency, state } = this.#parts;
    const content = partials.find(key);
    if (content === undefined) return;
    partials.retain(content);
    try {
      const file = await partials.open(content);
      const blocks: number[] = [];
      for (let block = 0; block < content.chunkCount; block++) {
        if (content.isPresent(block)) blocks.push(block);
      }
      const good = await verifyBlocks(this.#parts, content, file, blocks);
      this.#done.bytes += blocks.length * content.blockSize;
      if (good.size === blocks.length) return;
      this.#note(key);
      this.#parts.counters.corruptFiles++;
      // Filled anew in place; a driver that has the file open is served the old bytes until then.
      content.reused = true;
      for (const block of blocks) if (!good.has(block)) content.markAbsent(block);
      dirty.add(content);
      state.schedule();
    } finally {
      partials.release(content);
    }
    if (content.users === 0 && residency.drop(content.digest)) await partials.remove(content);
  }

  #note(key: string): void {
    this.#done.corruptFiles++;
    if (this.#done.corrupt.length < CORRUPT_LISTED_MAX) this.#done.corrupt.push(key);
  }

  /** Waits until what was read is no more than was allowed. */
  async #pace(): Promise<void> {
    const { bytesPerSecond, signal } = this.#options;
    if (bytesPerSecond === undefined) return;
    const dueMs = (this.#done.bytes / bytesPerSecond) * 1000;
    const waitMs = dueMs - (performance.now() - this.#began);
    if (waitMs < 1) return;
    // An abort ends the wait, and is noticed with the next content.
    await delay(waitMs, undefined, { signal }).catch(() => {});
  }

  #progress(): VerifyProgress {
    const { files, partialFiles } = this.#parts.catalog.totals;
    const { contents } = this.#done;
    return {
      ...this.#done,
      corrupt: [...this.#done.corrupt],
      contentsTotal: Math.max(contents, files + partialFiles),
    };
  }

  #report(): void {
    this.#options.progress?.(this.#progress());
  }
}
