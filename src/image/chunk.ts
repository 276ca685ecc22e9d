/**
 * Turns the files of a source into contents: each block is read, compressed and digested by the addon,
 * off the JS thread, and what is not a hole is handed on. Blocks of several files, and several blocks of
 * one file, are in progress at a time; the chunks of a content keep their order.
 */
import { closeSync, fstatSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { CODEC } from '../base/codec.ts';
import { withDeadline } from '../base/deadline.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { forEachParallel } from '../base/workers.ts';
import type { Chunk } from '../format/content.ts';
import type { EncodedChunk, PackBinding, ScanBinding } from '../native/addon.ts';
import type { ChunkFolder } from '../store/store.ts';
import type { ChunkWriter } from './chunk-writer.ts';
import { readStoredFile } from './stored-files.ts';
import { type SourceFile, showSourcePath } from './walk.ts';

/** Blocks in progress: two for each core hide the reading behind the packing; memory stays below 32 × 9 MiB. */
export const BLOCKS_MAX = Math.min(32, 2 * availableParallelism());

/** Small files that are read in one call, and their bytes: enough to hide the cost of the call. */
const BATCH_COUNT_MAX = 64;
const BATCH_SIZE_MAX = 2 * 1024 * 1024;

/** For a batch: what takes longer than this is a dead network filesystem. */
const STORE_TIMEOUT_MS = 120_000;

export interface ChunkOptions {
  readonly scan: ScanBinding;
  /** Reads files of one block, many in one call; without it they are read one by one. */
  readonly pack?: Partial<Pick<PackBinding, 'encodeFiles' | 'storeFiles'>> | undefined;
  readonly writer: ChunkWriter;
  readonly signal?: AbortSignal | undefined;
}

/** One file in progress. It is opened by its first block and closed by its last. */
interface OpenFile {
  readonly file: SourceFile;
  readonly chunks: Chunk[];
  fd: Promise<number> | undefined;
  remaining: number;
}

/**
 * Reads all files and sets their contents.
 *
 * @throws ERR_IO naming the file when it changes while it is read; whatever `put` throws
 */
export async function chunkFiles(
  source: string,
  files: readonly SourceFile[],
  options: ChunkOptions,
): Promise<void> {
  const open = new Set<OpenFile>();
  const { signal, writer } = options;
  const small = files.filter(({ inode }) => inode.size <= writer.blockSize);
  const doBatch = small.length === 0 ? undefined : await batchWorker(source, options);
  if (doBatch !== undefined) {
    await forEachParallel(batches(small), { concurrency: BLOCKS_MAX, signal }, doBatch);
  }
  const rest =
    doBatch === undefined ? files : files.filter(({ inode }) => inode.size > writer.blockSize);
  try {
    await forEachParallel(
      blocks(source, rest, writer),
      { concurrency: BLOCKS_MAX, signal },
      async ([job, index]) => {
        open.add(job);
        await encodeBlock(source, job, index, options);
        if (--job.remaining > 0) return;
        await finishFile(source, job, writer);
        open.delete(job);
      },
    );
  } finally {
    for (const job of open) await closeFile(job);
  }
}

type BatchWorker = (batch: readonly SourceFile[]) => Promise<void>;

/** What does a batch of small files in one call; `undefined` when they are to be read one by one. */
async function batchWorker(
  source: string,
  { pack, writer }: ChunkOptions,
): Promise<BatchWorker | undefined> {
  // Historical codecs are for a reader that is left behind: they stay with the plain way.
  if (writer.chunkCodec !== CODEC.zstd) return undefined;
  const { encodeFiles, storeFiles } = pack ?? {};
  if (storeFiles !== undefined && writer.folder !== undefined) {
    const folder = await writer.folder();
    return (batch) => storeBatch(source, batch, storeFiles, folder, writer);
  }
  if (encodeFiles === undefined) return undefined;
  return (batch) => encodeBatch(source, batch, encodeFiles, writer);
}

function* batches(files: readonly SourceFile[]): Generator<readonly SourceFile[]> {
  let batch: SourceFile[] = [];
  let size = 0;
  for (const file of files) {
    const isFull = batch.length === BATCH_COUNT_MAX || size + file.inode.size > BATCH_SIZE_MAX;
    if (isFull && batch.length > 0) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(file);
    size += file.inode.size;
  }
  if (batch.length > 0) yield batch;
}

async function encodeBatch(
  source: string,
  batch: readonly SourceFile[],
  encodeFiles: PackBinding['encodeFiles'],
  writer: ChunkWriter,
): Promise<void> {
  const encoded = await encodeFiles(source, batch, { level: writer.level });
  for (const [i, { path, inode }] of batch.entries()) {
    const chunks = writer.chunksFor(inode.size, showSourcePath(source, path));
    chunks[0] = await writer.take(encoded[i] as EncodedChunk, inode.size);
    writer.setContent(inode, chunks);
  }
}

async function storeBatch(
  source: string,
  batch: readonly SourceFile[],
  storeFiles: PackBinding['storeFiles'],
  { path: store, fsync }: ChunkFolder,
  writer: ChunkWriter,
): Promise<void> {
  const what = `Storing ${batch.length} files in ${store}`;
  const rows = await withDeadline({ timeoutMs: STORE_TIMEOUT_MS, what }, () =>
    storeFiles(source, batch, { level: writer.level, store, fsync }),
  );
  for (const [i, { path, inode }] of batch.entries()) {
    const chunks = writer.chunksFor(inode.size, showSourcePath(source, path));
    const stored = readStoredFile(rows, i);
    chunks[0] =
      stored === undefined
        ? writer.hole(inode.size)
        : writer.note(stored, inode.size, stored.isNew);
    writer.setContent(inode, chunks);
  }
}

function* blocks(
  source: string,
  files: readonly SourceFile[],
  writer: ChunkWriter,
): Generator<readonly [OpenFile, number]> {
  for (const file of files) {
    const chunks = writer.chunksFor(file.inode.size, showSourcePath(source, file.path));
    const job: OpenFile = { file, chunks, fd: undefined, remaining: chunks.length };
    for (let index = 0; index < chunks.length; index++) yield [job, index];
  }
}

async function encodeBlock(
  source: string,
  job: OpenFile,
  index: number,
  { scan, writer }: ChunkOptions,
): Promise<void> {
  const { file, chunks } = job;
  const offset = index * writer.blockSize;
  const length = Math.min(writer.blockSize, file.inode.size - offset);
  const fd = await openFile(source, job, scan);
  // For one block, asking where the data is costs as much as reading it.
  const isRead = chunks.length === 1 || !writer.hasHoles || hasData(scan, fd, offset, length);
  chunks[index] = isRead ? await writer.write({ fd, offset, length }) : writer.hole(length);
}

async function openFile(source: string, job: OpenFile, scan: ScanBinding): Promise<number> {
  const { path } = job.file;
  try {
    job.fd ??= scan.openBeneath(source, path);
    return await job.fd;
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${showSourcePath(source, path)} cannot be read`);
  }
}

function hasData(scan: ScanBinding, fd: number, offset: number, length: number): boolean {
  const next = scan.findData(fd, offset);
  return next !== -1 && next < offset + length;
}

async function finishFile(source: string, job: OpenFile, writer: ChunkWriter): Promise<void> {
  const { file } = job;
  const fd = await (job.fd as Promise<number>);
  try {
    checkUnchanged(source, file, fd);
  } finally {
    await closeFile(job);
  }
  writer.setContent(file.inode, job.chunks);
}

/** A file that is the same after reading as it was when scanned has not changed in between either. */
function checkUnchanged(source: string, { path, scanned }: SourceFile, fd: number): void {
  const now = fstatSync(fd, { bigint: true });
  const isSame =
    now.ino === scanned.ino &&
    now.size === BigInt(scanned.size) &&
    now.mtimeNs === nanoseconds(scanned.mtimeSeconds, scanned.mtimeNanoseconds) &&
    now.ctimeNs === nanoseconds(scanned.ctimeSeconds, scanned.ctimeNanoseconds);
  if (!isSame) {
    throw new G8Error('ERR_IO', `${showSourcePath(source, path)} changed while it was read`);
  }
}

function nanoseconds(seconds: number, rest: number): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest);
}

async function closeFile(job: OpenFile): Promise<void> {
  const opening = job.fd;
  job.fd = undefined;
  // A file that could not be opened has been reported by the block that tried.
  const fd = await opening?.catch(() => undefined);
  if (fd !== undefined) closeSync(fd);
}
