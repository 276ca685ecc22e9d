/**
 * Images of other flists. Contents keep their chunks when those are of the codec and the size that are
 * wanted: what the store lacks of them is copied, verified on the way. All other contents are read through
 * their stores and packed anew.
 */
import { throwIfAborted } from '../../base/abort.ts';
import { toHex } from '../../base/bytes.ts';
import { CODEC } from '../../base/codec.ts';
import { G8Error } from '../../base/errors.ts';
import { plural } from '../../base/plural.ts';
import { forEachParallel } from '../../base/workers.ts';
import type { Chunk, Content } from '../../format/content.ts';
import type { MutableInode } from '../../format/layer/node.ts';
import type { Inode } from '../../format/tree.ts';
import type { ChunkStore } from '../../store/store.ts';
import type { ChunkWriter } from '../chunk-writer.ts';
import type { LoadedFlist } from '../load.ts';
import { readContent } from '../read.ts';
import { excludeEntries } from './attributes.ts';
import { cutBlocks } from './blocks.ts';
import type { ImageSource, SourceRun, SourceTree } from './source.ts';
import { StreamPacker } from './stream-packer.ts';

/** Files whose chunks are asked for and copied together. */
const BATCH_FILES = 256;
/** Chunks in flight from store to store; below 160 MiB of the largest. */
const COPIES_MAX = 16;

export interface FlistSourceOptions {
  readonly flist: LoadedFlist;
  /** Where its chunks are. Only called when some are to be read; the store stays open. */
  readonly openStore: () => Promise<ChunkStore>;
  /** Whether contents whose blocks are of another size than new ones get keep them. */
  readonly keepBlockSize: boolean;
}

/** A regular file with bytes. */
type File = MutableInode & { readonly content: Content };

export class FlistSource implements ImageSource {
  readonly name: string;
  readonly #options: FlistSourceOptions;
  #store: Promise<ChunkStore> | undefined;

  constructor(options: FlistSourceOptions) {
    this.name = options.flist.source;
    this.#options = options;
  }

  async load(run: SourceRun): Promise<SourceTree> {
    const { root, metadata } = this.#options.flist;
    const { progress } = run;
    const entryCount = excludeEntries(root, run.exclude);
    progress.entries = entryCount;
    const files = filesOf(root);
    progress.phase = 'storing';
    progress.bytesTotal = files.reduce((total, { size }) => total + size, 0);
    const kept = files.filter(({ content }) => this.#isKept(content, run.writer));
    await this.#copy(kept, run);
    const others = files.filter(({ content }) => !this.#isKept(content, run.writer));
    await this.#repack(others, run);
    return { root, entryCount, metadata, reusedFiles: kept.length };
  }

  async close(): Promise<void> {}

  #isKept(content: Content, writer: ChunkWriter): boolean {
    const { size, blockSize, algorithm, chunks } = content;
    const { chunkCodec, hasHoles } = writer;
    if (isBroken(content)) {
      // Records can only say so of historical chunks: they stay what they are, or cannot be at all.
      if (algorithm === writer.algorithm || chunkCodec === CODEC.zstd) return true;
      const lost = `A file of ${plural(size, 'byte')} in ${this.name} has lost chunks`;
      throw new G8Error('ERR_CHUNK_MISSING', `${lost} and cannot be packed anew`);
    }
    return (
      (this.#options.keepBlockSize || blockSize === writer.blockSize) &&
      algorithm === writer.algorithm &&
      chunks.every(({ codec }) => codec === chunkCodec || (hasHoles && codec === CODEC.hole))
    );
  }

  async #copy(files: readonly File[], run: SourceRun): Promise<void> {
    const { uploader, progress, signal } = run;
    for (let start = 0; start < files.length; start += BATCH_FILES) {
      throwIfAborted(signal);
      const batch = files.slice(start, start + BATCH_FILES);
      const chunks = chunksById(batch);
      const missing = await uploader.claim([...chunks.values()].map(({ chunk }) => chunk));
      await this.#transfer(
        [...missing].map((id) => chunks.get(id) as Sized),
        run,
      );
      for (const { size } of batch) progress.bytes += size;
    }
  }

  async #transfer(chunks: readonly Sized[], { addon, uploader, signal }: SourceRun): Promise<void> {
    if (chunks.length === 0) return;
    const store = await this.#open();
    await forEachParallel(chunks, { concurrency: COPIES_MAX, signal }, async (sized) => {
      const { codec, id, plainDigest } = sized.chunk;
      const stored = await store.get(toHex(id), { signal });
      await addon.decodeChunk({ stored, codec, id, plainDigest, plainSize: sized.plainSize });
      await uploader.add(id, stored);
    });
  }

  async #repack(files: readonly File[], run: SourceRun): Promise<void> {
    if (files.length === 0) return;
    const { addon, writer, signal } = run;
    const store = await this.#open();
    const packer = new StreamPacker(writer);
    try {
      for (const file of files) {
        const pieces = readContent(file.content, { store, codec: addon, signal });
        const blocks = cutBlocks(pieces, file.size, writer.blockSize);
        await packer.add(file, `A file of ${this.name}`, blocks);
      }
      await packer.finish();
    } finally {
      await packer.settle();
    }
  }

  #open(): Promise<ChunkStore> {
    this.#store ??= this.#options.openStore();
    return this.#store;
  }
}

/** Each once, however many names it has. */
function filesOf(root: Inode): File[] {
  const seen = new Set<Inode>();
  const files: File[] = [];
  const todo: Inode[] = [root];
  for (let inode = todo.pop(); inode !== undefined; inode = todo.pop()) {
    if (seen.has(inode)) continue;
    seen.add(inode);
    for (const entry of inode.entries ?? []) todo.push(entry.inode);
    if (inode.content !== undefined) files.push(inode as File);
  }
  return files;
}

interface Sized {
  readonly chunk: Chunk;
  readonly plainSize: number;
}

function chunksById(files: readonly File[]): Map<string, Sized> {
  const chunks = new Map<string, Sized>();
  for (const { content } of files) {
    const { size, blockSize } = content;
    for (const [i, chunk] of content.chunks.entries()) {
      if (chunk.id.length === 0) continue;
      const plainSize = Math.min(blockSize, size - i * blockSize);
      chunks.set(toHex(chunk.id), { chunk, plainSize });
    }
  }
  return chunks;
}

/** Historical writers lost the last chunks of some large files. */
function isBroken({ size, blockSize, chunks }: Content): boolean {
  return (
    chunks.length < Math.ceil(size / blockSize) || chunks.some(({ codec }) => codec === CODEC.lost)
  );
}
