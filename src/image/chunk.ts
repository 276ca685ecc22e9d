/**
 * Turns the files of a source into contents: each block is read, compressed and digested by the addon,
 * off the JS thread, and what is not a hole is handed on. Blocks of several files, and several blocks of
 * one file, are in progress at a time; the chunks of a content keep their order.
 */
import { closeSync, fstatSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { CODEC, DIGEST } from '../base/codec.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { forEachParallel } from '../base/workers.ts';
import type { Chunk } from '../format/content.ts';
import type { CodecBinding, ScanBinding } from '../native/addon.ts';
import { type SourceFile, showSourcePath } from './walk.ts';

/** Blocks in progress: two for each core hide the reading behind the packing; memory stays below 32 × 9 MiB. */
const BLOCKS_MAX = 32;

const NOTHING = new Uint8Array(0);
const HOLE: Chunk = { codec: CODEC.hole, id: NOTHING, plainDigest: NOTHING, storedSize: 0 };

export interface ChunkOptions {
  readonly codec: CodecBinding;
  readonly scan: ScanBinding;
  /** Bytes, a power of two. */
  readonly blockSize: number;
  /** zstd level. */
  readonly level: number;
  /** Takes a chunk for the store; resolves when there is room for more. */
  readonly put: (id: Uint8Array, stored: Uint8Array) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Called with the plain size of each block that is done. */
  readonly onBytes?: ((bytes: number, isHole: boolean) => void) | undefined;
}

/** One file in progress. It is opened by its first block and closed by its last. */
interface OpenFile {
  readonly file: SourceFile;
  readonly blockCount: number;
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
  const concurrency = Math.min(BLOCKS_MAX, 2 * availableParallelism());
  const { signal } = options;
  try {
    await forEachParallel(
      blocks(files, options.blockSize),
      { concurrency, signal },
      async ([job, index]) => {
        open.add(job);
        await encodeBlock(source, job, index, options);
        if (--job.remaining > 0) return;
        await finishFile(source, job, options.blockSize);
        open.delete(job);
      },
    );
  } finally {
    for (const job of open) await closeFile(job);
  }
}

function* blocks(
  files: readonly SourceFile[],
  blockSize: number,
): Generator<readonly [OpenFile, number]> {
  for (const file of files) {
    const blockCount = Math.ceil(file.inode.size / blockSize);
    const chunks = new Array<Chunk>(blockCount).fill(HOLE);
    const job: OpenFile = { file, blockCount, chunks, fd: undefined, remaining: blockCount };
    for (let index = 0; index < blockCount; index++) yield [job, index];
  }
}

async function encodeBlock(
  source: string,
  job: OpenFile,
  index: number,
  options: ChunkOptions,
): Promise<void> {
  const { blockSize, codec, scan, level } = options;
  const { file } = job;
  const offset = index * blockSize;
  const length = Math.min(blockSize, file.inode.size - offset);
  let encoded: Awaited<ReturnType<CodecBinding['encodeChunk']>> | undefined;
  try {
    job.fd ??= scan.openBeneath(source, file.path);
    const fd = await job.fd;
    // For one block, asking where the data is costs as much as reading it.
    if (job.blockCount === 1 || hasData(scan, fd, offset, length)) {
      encoded = await codec.encodeChunk({ fd, offset, length, codec: CODEC.zstd, level });
    }
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${showSourcePath(source, file.path)} cannot be read`);
  }
  const isHole = encoded === undefined || encoded.hole;
  if (encoded !== undefined && !encoded.hole) {
    const { id, plainDigest, stored } = encoded;
    job.chunks[index] = { codec: CODEC.zstd, id, plainDigest, storedSize: stored.length };
    await options.put(id, stored);
  }
  options.onBytes?.(length, isHole);
}

function hasData(scan: ScanBinding, fd: number, offset: number, length: number): boolean {
  const next = scan.findData(fd, offset);
  return next !== -1 && next < offset + length;
}

async function finishFile(source: string, job: OpenFile, blockSize: number): Promise<void> {
  const { file } = job;
  const fd = await (job.fd as Promise<number>);
  try {
    checkUnchanged(source, file, fd);
  } finally {
    await closeFile(job);
  }
  const { chunks } = job;
  file.inode.content = { size: file.inode.size, blockSize, algorithm: DIGEST.blake2b256, chunks };
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
