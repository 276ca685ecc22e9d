/**
 * Copies blocks that some content of this cache already has, so that they need not be fetched. The
 * copy is verified where it was written to; a source that lied costs a fetch, nothing else.
 *
 * Concurrency: for one event loop; the destination's blocks belong to the caller's batch.
 */
import type { FileHandle } from 'node:fs/promises';
import { toHex } from '../base/bytes.ts';
import { createBitmap, hasBit, setBit } from './bitmap.ts';
import type { BlockSource } from './catalog.ts';
import type { PartialContent } from './content.ts';
import type { CacheParts } from './parts.ts';
import { openExisting } from './seal.ts';

export class LocalCopier {
  readonly #parts: CacheParts;

  constructor(parts: CacheParts) {
    this.#parts = parts;
  }

  /**
   * Copies what can be had locally.
   *
   * @param blocks absent blocks of the content; at most a batch
   * @returns the blocks that are in the file now and match their digests
   */
  async copy(
    content: PartialContent,
    file: FileHandle,
    blocks: readonly number[],
  ): Promise<Set<number>> {
    const rows = blocks.map((block) => content.row(block));
    const sources = await this.#parts.catalog.findSources(content.algorithm, rows);
    const copied: number[] = [];
    for (const [index, source] of sources.entries()) {
      const block = blocks[index] as number;
      if (source !== undefined && (await this.#copyBlock(content, file, block, source))) {
        copied.push(block);
      }
    }
    if (copied.length === 0) return new Set();
    return await this.#verify(content, file, copied);
  }

  async #copyBlock(
    content: PartialContent,
    file: FileHandle,
    block: number,
    source: BlockSource,
  ): Promise<boolean> {
    const size = content.plainSize(block);
    try {
      const bytes = await this.#readSource(source, size);
      if (bytes === undefined) return false;
      await file.write(bytes, 0, size, content.offset(block));
      return true;
    } catch {
      // Closed, evicted or unreadable meanwhile, or the disk is full: fetching says which.
      return false;
    }
  }

  async #readSource(source: BlockSource, size: number): Promise<Uint8Array | undefined> {
    const { partials, catalog, layout } = this.#parts;
    const key = toHex(source.digest);
    const bytes = Buffer.allocUnsafe(size);
    const partial = partials.find(key);
    if (partial !== undefined) {
      if (source.block >= partial.chunkCount || !partial.isPresent(source.block)) return undefined;
      partials.retain(partial);
      try {
        const from = await partials.open(partial);
        const { bytesRead } = await from.read(bytes, 0, size, partial.offset(source.block));
        return bytesRead === size ? bytes : undefined;
      } finally {
        partials.release(partial);
      }
    }
    const record = await catalog.find(source.digest);
    if (record?.complete !== true) return undefined;
    await using from = await openExisting(layout.filePath(key));
    if (from === undefined) return undefined;
    const { bytesRead } = await from.read(bytes, 0, size, source.block * record.blockSize);
    return bytesRead === size ? bytes : undefined;
  }

  async #verify(
    content: PartialContent,
    file: FileHandle,
    blocks: readonly number[],
  ): Promise<Set<number>> {
    const good = await verifyBlocks(this.#parts, content, file, blocks);
    for (const block of blocks) if (!good.has(block)) await clearBlock(content, file, block);
    return good;
  }
}

/** The blocks among these whose bytes in the file match their digests. */
export async function verifyBlocks(
  parts: Pick<CacheParts, 'addon'>,
  content: PartialContent,
  file: FileHandle,
  blocks: readonly number[],
): Promise<Set<number>> {
  const mask = createBitmap(content.chunkCount);
  for (const block of blocks) setBit(mask, block);
  const matches = await parts.addon.verifyFile({
    fd: file.fd,
    size: content.size,
    blockSize: content.blockSize,
    algorithm: content.algorithm,
    plainDigests: content.rows,
    blocks: mask,
  });
  return new Set(blocks.filter((block) => hasBit(matches, block)));
}

/**
 * Makes a block read as zeros, because the decoder leaves zero pages unwritten. Costs a read when
 * the block is a hole already.
 */
export async function clearBlock(
  content: PartialContent,
  file: FileHandle,
  block: number,
): Promise<void> {
  const size = content.plainSize(block);
  const zeros = Buffer.alloc(size);
  const bytes = Buffer.allocUnsafe(size);
  const { bytesRead } = await file.read(bytes, 0, size, content.offset(block));
  const isClear = bytes.subarray(0, bytesRead).equals(zeros.subarray(0, bytesRead));
  if (!isClear) await file.write(zeros, 0, size, content.offset(block));
}
