/**
 * From a folder to a flist: walk, chunk and upload, records, mount index, package. Chunks are in the
 * store before the flist appears; the flist appears whole or not at all. Each call is on its own.
 */
import { setMaxListeners } from 'node:events';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { abortError, throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { BLOCK_SIZE_DEFAULT, BLOCK_SIZE_MAX, BLOCK_SIZE_MIN } from '../format/content.ts';
import type { Metadata } from '../format/flist/metadata.ts';
import type { CodecBinding, ScanBinding } from '../native/addon.ts';
import type { WritableChunkStore } from '../store/store.ts';
import { chunkFiles } from './chunk.ts';
import { compileExcludes } from './glob.ts';
import { checkOutput } from './output.ts';
import { packTree } from './pack.ts';
import { formatRouter } from './router.ts';
import { Uploader } from './upload.ts';
import { type Walk, walkTree } from './walk.ts';

/** zstd levels above 19 need memory that readers may not have. */
export const LEVEL_MAX = 19;
const LEVEL_DEFAULT = 3;
/** Above the calls in progress, reading and uploading, with their retries. */
const LISTENERS_MAX = 256;

/** What a run counts; whoever shows progress polls it. Sizes in bytes. */
export interface CreateProgress {
  phase: 'walking' | 'storing' | 'writing';
  entries: number;
  /** Plain bytes of files that were read, or skipped as holes. */
  bytes: number;
  /** Bytes of all files; 0 while walking. */
  bytesTotal: number;
}

export interface CreateOptions {
  /** Folder that becomes the root of the image. */
  readonly source: string;
  /** Flist to write; a file that is there is replaced. */
  readonly output: string;
  /** Takes the chunks. It stays open. */
  readonly store: WritableChunkStore;
  readonly addon: CodecBinding & ScanBinding;
  /** Power of two, 4 KiB to 4 MiB; default 512 KiB. */
  readonly blockSize?: number | undefined;
  /** zstd level, 1 to 19; default 3. */
  readonly level?: number | undefined;
  readonly compression?: 'gzip' | 'none' | undefined;
  /** URL for `router.yaml`; without it the package has none. */
  readonly route?: string | undefined;
  /** Settings that go with the flist. */
  readonly metadata?: Metadata | undefined;
  /** Patterns as {@link compileExcludes} takes them. */
  readonly exclude?: readonly string[] | undefined;
  /** Folders and files that are never part of the image, such as a store below the source. */
  readonly excludedPaths?: readonly string[] | undefined;
  readonly oneFileSystem?: boolean | undefined;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mtimeSeconds?: number | undefined;
  readonly progress?: CreateProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was made. Sizes in bytes. */
export interface CreateSummary {
  /** Names, the root included. */
  readonly entries: number;
  readonly directories: number;
  readonly files: number;
  readonly symlinks: number;
  readonly specials: number;
  /** Bytes of all regular files, hard links once. */
  readonly bytes: number;
  readonly contents: number;
  /** Different chunks; and those of them that the store did not have. */
  readonly chunks: number;
  readonly newChunks: number;
  readonly storedBytes: number;
  readonly uploadedBytes: number;
  /** Blocks that were nothing but zeros, and their bytes. */
  readonly holes: number;
  readonly holeBytes: number;
  readonly rootDigest: string;
  readonly flistSize: number;
  readonly seconds: number;
}

/** Starting values of a run's counters. */
export function createProgress(): CreateProgress {
  return { phase: 'walking', entries: 0, bytes: 0, bytesTotal: 0 };
}

/**
 * Makes a flist of a folder.
 *
 * @throws ERR_NO_INPUT without the source, ERR_CREATE when the output cannot be written, ERR_IO when a
 *   file cannot be read or changes meanwhile, RangeError for a block size or level out of range, what
 *   the store throws, ERR_ABORTED
 */
export async function createFlist(options: CreateOptions): Promise<CreateSummary> {
  const started = performance.now();
  const { signal, progress = createProgress() } = options;
  checkNumbers(options);
  await checkOutput(options.output);
  const source = await resolveSource(options.source);
  const walk = await walkTree(source, {
    scan: options.addon,
    exclude: compileExcludes(options.exclude ?? []),
    excludedPaths: await pathsBelow(source, [options.output, ...(options.excludedPaths ?? [])]),
    oneFileSystem: options.oneFileSystem,
    owner: options.owner,
    mtimeSeconds: options.mtimeSeconds,
    signal,
    onEntries: (count) => {
      progress.entries = count;
    },
  });
  progress.phase = 'storing';
  progress.bytesTotal = walk.bytes;
  const stored = await storeFiles(source, walk, options, progress);
  progress.phase = 'writing';
  const { route, compression } = options;
  const router = route === undefined ? undefined : formatRouter(route);
  const packed = await packTree(walk.root, options.output, {
    router,
    metadata: options.metadata,
    compression,
    signal,
  });
  const { directories, files, symlinks, specials, contents, fileBytes } = packed.counts;
  return {
    entries: walk.entryCount,
    directories,
    files,
    symlinks,
    specials,
    bytes: fileBytes,
    contents,
    ...stored,
    rootDigest: toHex(packed.rootDigest),
    flistSize: packed.flistSize,
    seconds: Math.round(performance.now() - started) / 1000,
  };
}

type Stored = Pick<
  CreateSummary,
  'chunks' | 'newChunks' | 'storedBytes' | 'uploadedBytes' | 'holes' | 'holeBytes'
>;

async function storeFiles(
  source: string,
  walk: Walk,
  options: CreateOptions,
  progress: CreateProgress,
): Promise<Stored> {
  // A failure on either side ends the other: reading on when the store is gone would be in vain.
  const controller = new AbortController();
  // Every call to the store in progress listens.
  setMaxListeners(LISTENERS_MAX, controller.signal);
  const stop = (): void => controller.abort(abortError(options.signal as AbortSignal));
  options.signal?.addEventListener('abort', stop, { once: true });
  throwIfAborted(options.signal);
  const uploader = new Uploader(options.store, controller.signal);
  let holes = 0;
  let holeBytes = 0;
  try {
    await chunkFiles(source, walk.files, {
      codec: options.addon,
      scan: options.addon,
      blockSize: options.blockSize ?? BLOCK_SIZE_DEFAULT,
      level: options.level ?? LEVEL_DEFAULT,
      put: (id, bytes) => uploader.add(id, bytes),
      signal: controller.signal,
      onBytes: (bytes, isHole) => {
        progress.bytes += bytes;
        if (!isHole) return;
        holes++;
        holeBytes += bytes;
      },
    });
    await uploader.finish();
  } catch (error) {
    controller.abort(error);
    throw error;
  } finally {
    await uploader.settle();
    options.signal?.removeEventListener('abort', stop);
  }
  return { ...uploader.counts, holes, holeBytes };
}

function checkNumbers({ blockSize = BLOCK_SIZE_DEFAULT, level = LEVEL_DEFAULT }: CreateOptions) {
  const isPower = Number.isInteger(Math.log2(blockSize));
  if (!isPower || blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX) {
    throw new RangeError(`Block size ${blockSize} is not a power of two from 4 KiB to 4 MiB`);
  }
  if (!Number.isInteger(level) || level < 1 || level > LEVEL_MAX) {
    throw new RangeError(`zstd level ${level} is not from 1 to ${LEVEL_MAX}`);
  }
}

async function resolveSource(source: string): Promise<string> {
  try {
    return await realpath(source);
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `${source} cannot be opened`);
  }
}

/** Those of the paths that lie below the source, relative to it. The last name need not exist yet. */
async function pathsBelow(source: string, paths: readonly string[]): Promise<string[]> {
  const below: string[] = [];
  for (const path of paths) {
    const folder = await realpath(dirname(path)).catch(() => undefined);
    const real =
      (await realpath(path).catch(() => undefined)) ?? join(folder ?? '', basename(path));
    if (folder === undefined) continue;
    if (real === source) throw new G8Error('ERR_USAGE', `${path} is the source itself`);
    const inside = relative(source, real);
    if (inside !== '..' && !inside.startsWith(`..${sep}`)) below.push(inside);
  }
  return below;
}
