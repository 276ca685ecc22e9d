/**
 * Reads the whole cache and compares every byte with its digest: the only way to notice what the
 * storage device changed by itself.
 *
 * Concurrency: one content at a time, under its lock; fills and reads of others go on.
 */
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

export interface VerifyProgress {
  readonly contents: number;
  readonly contentsTotal: number;
  readonly bytes: number;
  readonly corruptFiles: number;
}

export interface VerifyOptions {
  readonly progress?: (progress: VerifyProgress) => void;
  readonly signal?: AbortSignal;
}

export class Verifier {
  readonly #parts: CacheParts;
  readonly #contents: Contents;
  readonly #options: VerifyOptions;
  #done: { contents: number; bytes: number; corruptFiles: number } = {
    contents: 0,
    bytes: 0,
    corruptFiles: 0,
  };

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
    this.#done.corruptFiles++;
    await this.#contents.discard(key, digest);
  }

  async #isGood(path: string, record: ContentRecord, rows: Uint8Array): Promise<boolean> {
    await using file = await openExisting(path);
    if (file === undefined) return true;
    const { blockSize, size } = record;
    const count = Math.ceil(size / blockSize);
    const perSlice = Math.max(1, Math.floor(SLICE_BYTES / blockSize));
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
    }
    return true;
  }

  // Partial files that are not in memory are verified block by block before their next use anyway.
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
      this.#done.corruptFiles++;
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

  #progress(): VerifyProgress {
    const { files, partialFiles } = this.#parts.catalog.totals;
    const { contents } = this.#done;
    return { ...this.#done, contentsTotal: Math.max(contents, files + partialFiles) };
  }

  #report(): void {
    this.#options.progress?.(this.#progress());
  }
}
