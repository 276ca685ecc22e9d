/**
 * Serves readers when nothing can be written: chunks are fetched, verified and handed to the driver as bytes,
 * which holds them within a limit (64 MiB) for whoever reads now. Nothing of it stays.
 *
 * Concurrency: blocks of one call are decoded a few at a time; what several calls want at once is fetched once
 * (`fetch.ts`) and lent once (the driver ignores what it has).
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { linkSignals } from '../base/abort.ts';
import { equalBytes, toHex } from '../base/bytes.ts';
import { CODEC, DIGEST, type DigestAlgorithm } from '../base/codec.ts';
import { isG8Error } from '../base/errors.ts';
import { Limiter } from '../base/limit.ts';
import type { Chunk } from '../format/content.ts';
import { digestSizeOf } from '../format/index/content-digest.ts';
import type { CodecBinding } from '../native/addon.ts';
import type { ChunkId } from '../store/store.ts';
import { chunkProblem } from './chunk-problem.ts';
import { type ContentRef, PartialContent, readRows } from './content.ts';
import { type ChunkFetcher, type FetchOptions, PRIORITY } from './fetch.ts';
import type { FillOptions } from './fill-options.ts';
import type { CacheParts } from './parts.ts';

/** Contents whose plain digests are remembered, and the memory they may take. */
const SHAPES_MAX = 1024;
const SHAPES_BYTES_MAX = 16 * 1024 * 1024;
/** Decodes at the same time by priority, each on a thread of its own: the pool may be waiting for the disk. */
const WORK_SHARES = [4, 3, 2];
const WORK_QUEUE_COUNT_MAX = 65_536;
/** Plain bytes of one request to a store. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

export interface LendOptions extends FillOptions {
  /** Look into the cache's files before a store is asked; default no. */
  readonly isLocalFirst?: boolean;
}

type BatchOptions = FetchOptions & Pick<LendOptions, 'isLocalFirst'>;

export class Lender {
  readonly #parts: CacheParts;
  readonly #fetcher: ChunkFetcher;
  readonly #work = new Limiter({ shares: WORK_SHARES, queueCountMax: WORK_QUEUE_COUNT_MAX });
  readonly #shapes = new LRUCache<string, PartialContent>({
    max: SHAPES_MAX,
    maxSize: SHAPES_BYTES_MAX,
    sizeCalculation: (shape) => shape.rows.length + 256,
  });

  constructor(parts: CacheParts, fetcher: ChunkFetcher) {
    this.#parts = parts;
    this.#fetcher = fetcher;
  }

  /**
   * Lends blocks `first` to `first + count` (exclusive).
   *
   * @throws the first failure, as `ContentCache.fill` does, but for those of the disk
   */
  async lend(ref: ContentRef, first: number, count: number, options: LendOptions): Promise<void> {
    const shape = await this.#shapeOf(ref);
    const { signal, unlink } = linkSignals(options.signal, this.#parts.closing);
    const end = Math.min(shape.chunkCount, first + count);
    const perBatch = Math.max(1, Math.floor(BATCH_BYTES_MAX / shape.blockSize));
    try {
      for (let block = first; block < end; block += perBatch) {
        const blocks = Array.from({ length: Math.min(perBatch, end - block) }, (_, i) => block + i);
        await this.#lendBatch(shape, ref, blocks, { ...options, signal });
      }
    } finally {
      unlink();
    }
  }

  // A hostile flist could otherwise lend its bytes to readers of a content that other images share.
  async #shapeOf(ref: ContentRef): Promise<PartialContent> {
    const key = toHex(ref.digest);
    const known = this.#shapes.get(key);
    const isSame =
      known?.size === ref.size &&
      known.blockSize === ref.blockSize &&
      known.algorithm === ref.algorithm;
    if (known !== undefined && isSame) return known;
    const shape = new PartialContent(ref, await readRows(ref, this.#parts.addon));
    this.#shapes.set(key, shape);
    return shape;
  }

  async #lendBatch(
    shape: PartialContent,
    ref: ContentRef,
    blocks: readonly number[],
    options: BatchOptions,
  ): Promise<void> {
    const { residency } = this.#parts;
    const wants = new Map<ChunkId, { readonly chunk: Chunk; readonly blocks: number[] }>();
    const failures: unknown[] = [];
    for (const block of blocks) {
      if (shape.isHole(block)) {
        residency.lend(shape.digest, block, new Uint8Array(shape.plainSize(block)));
        continue;
      }
      const local = options.isLocalFirst === true ? await this.#readLocal(shape, block) : undefined;
      if (local !== undefined) {
        this.#lendBlock(shape, block, local);
        continue;
      }
      const chunk = ref.chunk(block);
      const problem = chunkProblem(chunk, shape, block);
      if (problem !== undefined) {
        failures.push(problem);
        continue;
      }
      const id = toHex(chunk.id);
      const want = wants.get(id);
      if (want === undefined) wants.set(id, { chunk, blocks: [block] });
      else want.blocks.push(block);
    }
    const list = [...wants].map(([id, want]) => ({
      id,
      size: shape.plainSize(want.blocks[0] as number),
    }));
    await this.#fetcher.fetch(
      list,
      {
        use: async (id, stored) => {
          const { chunk, blocks: wanted } = wants.get(id) as { chunk: Chunk; blocks: number[] };
          for (const block of wanted) {
            try {
              const plain = await this.#decode(shape, chunk, block, stored, options);
              this.#lendBlock(shape, block, plain);
            } catch (error) {
              failures.push(error);
            }
          }
        },
        onLoad: (id, trail) => {
          for (const block of wants.get(id)?.blocks ?? []) options.watcher?.onBlock?.(block, trail);
        },
        fail: (_id, error) => void failures.push(error),
      },
      options,
    );
    if (failures.length > 0) throw failures[0];
  }

  #lendBlock(shape: PartialContent, block: number, plain: Uint8Array): void {
    const { residency, counters } = this.#parts;
    residency.lend(shape.digest, block, plain);
    counters.lentBlocks++;
    counters.lentBytes += plain.length;
  }

  /** A block from the content's own file, if it is there and right. */
  async #readLocal(shape: PartialContent, block: number): Promise<Uint8Array | undefined> {
    const { addon, layout } = this.#parts;
    const size = shape.plainSize(block);
    for (const path of [layout.filePath(shape.key), layout.partialPath(shape.key)]) {
      try {
        await using file = await open(path, 'r');
        const bytes = Buffer.allocUnsafe(size);
        const { bytesRead } = await file.read(bytes, 0, size, shape.offset(block));
        // What was read is what is lent: the file itself may read differently a moment later.
        const digest = digestOf(addon, shape.algorithm, bytes.subarray(0, bytesRead));
        if (bytesRead === size && equalBytes(digest, shape.plainDigest(block))) return bytes;
      } catch {
        // Not there, or not to be read: the store has it.
      }
    }
    return undefined;
  }

  async #decode(
    shape: PartialContent,
    chunk: Chunk,
    block: number,
    stored: Uint8Array,
    options: FetchOptions,
  ): Promise<Uint8Array> {
    const decode = (bytes: Uint8Array): Promise<Uint8Array> =>
      this.#work.run(
        () =>
          this.#parts.addon.decodeChunkApart({
            stored: bytes,
            codec: chunk.codec,
            id: chunk.id,
            plainDigest: shape.plainDigest(block),
            plainSize: shape.plainSize(block),
          }),
        { priority: PRIORITY[options.priority] },
      );
    try {
      return await decode(stored);
    } catch (error) {
      if (!isG8Error(error, 'ERR_CHUNK_CORRUPT') || chunk.codec === CODEC.hole) throw error;
      this.#parts.counters.corruptChunks++;
      // A failover or routing store may have a good copy elsewhere.
      return await decode(await this.#fetcher.refetch(toHex(chunk.id), options));
    }
  }
}

function digestOf(
  addon: Pick<CodecBinding, 'blake2b'>,
  algorithm: DigestAlgorithm,
  bytes: Uint8Array,
): Uint8Array {
  if (algorithm === DIGEST.sha256) return createHash('sha256').update(bytes).digest();
  return addon.blake2b(bytes, digestSizeOf(algorithm));
}
