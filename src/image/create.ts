/**
 * From a source to a flist: its tree, its contents as chunks in the store, records, mount index, package.
 * Chunks are in the store before the flist appears; the flist appears whole or not at all. Each call is on
 * its own.
 */
import { setMaxListeners } from 'node:events';
import { abortError, throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { BLOCK_SIZE_DEFAULT, BLOCK_SIZE_MAX, BLOCK_SIZE_MIN } from '../format/content.ts';
import type { Metadata } from '../format/flist/metadata.ts';
import type { CodecBinding, PackBinding, ScanBinding, StreamBinding } from '../native/addon.ts';
import { isFolderStore, type WritableChunkStore } from '../store/store.ts';
import { type ChunkCodec, ChunkWriter } from './chunk-writer.ts';
import { type CreateProgress, createProgress } from './create-progress.ts';
import { compileExcludes } from './glob.ts';
import { checkOutput } from './output.ts';
import { type PackTreeOptions, packTree } from './pack.ts';
import { formatRouter } from './router.ts';
import { overrideAttributes } from './source/attributes.ts';
import { FolderSource } from './source/folder.ts';
import type { ImageSource, SourceTree } from './source/source.ts';
import { Uploader } from './upload.ts';

/** zstd levels above 19 need memory that readers may not have. */
export const LEVEL_MAX = 19;
const LEVEL_DEFAULT = 3;
/** Above the calls in progress, reading and uploading, with their retries. */
const LISTENERS_MAX = 256;

export interface CreateOptions {
  /** What the image is made of; a text is the path of a folder. It is closed, whatever happens. */
  readonly source: string | ImageSource;
  /** Flist to write; a file that is there is replaced. */
  readonly output: string;
  /** Takes the chunks. It stays open. */
  readonly store: WritableChunkStore;
  readonly addon: CodecBinding & ScanBinding & StreamBinding & Partial<PackBinding>;
  /** Power of two, 4 KiB to 4 MiB; default 512 KiB. */
  readonly blockSize?: number | undefined;
  /** zstd level, 1 to 19; default 3. */
  readonly level?: number | undefined;
  readonly compression?: PackTreeOptions['compression'];
  /** URL for `router.yaml`; without it the package has none. */
  readonly route?: string | undefined;
  /** Settings that go with the flist; default those of the source. */
  readonly metadata?: Metadata | undefined;
  /** Patterns as {@link compileExcludes} takes them. */
  readonly exclude?: readonly string[] | undefined;
  /** Replaces every owner. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Replaces every modification time, seconds since 1970. */
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
  /** Files with bytes that were not read: their contents are those of a parent or of another flist. */
  readonly reusedFiles: number;
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

/**
 * Makes a flist.
 *
 * @throws ERR_NO_INPUT without the source, ERR_CREATE when the output cannot be written, ERR_IO when a
 *   file cannot be read or changes meanwhile, RangeError for a block size or level out of range, what
 *   the store throws, ERR_ABORTED
 */
export async function createFlist(options: CreateOptions): Promise<CreateSummary> {
  const started = performance.now();
  const { signal, progress = createProgress() } = options;
  const source = sourceOf(options);
  try {
    checkNumbers(options);
    await checkOutput(options.output);
    const { root, entryCount, metadata, reusedFiles, stored } = await loadSource(
      source,
      options,
      progress,
    );
    overrideAttributes(root, options);
    progress.phase = 'writing';
    const { route, compression } = options;
    const packed = await packTree(root, options.output, {
      router: route === undefined ? undefined : formatRouter(route),
      metadata: options.metadata ?? metadata,
      compression,
      streams: options.addon,
      signal,
    });
    const { directories, files, symlinks, specials, contents, fileBytes } = packed.counts;
    return {
      entries: entryCount,
      directories,
      files,
      symlinks,
      specials,
      bytes: fileBytes,
      contents,
      reusedFiles: reusedFiles ?? 0,
      ...stored,
      rootDigest: toHex(packed.rootDigest),
      flistSize: packed.flistSize,
      seconds: Math.round(performance.now() - started) / 1000,
    };
  } finally {
    await source.close();
  }
}

function sourceOf({ source, output }: CreateOptions): ImageSource {
  if (typeof source !== 'string') return source;
  return new FolderSource({ path: source, excludedPaths: [output] });
}

export type Stored = Pick<
  CreateSummary,
  'chunks' | 'newChunks' | 'storedBytes' | 'uploadedBytes' | 'holes' | 'holeBytes'
>;

export type LoadSourceOptions = Pick<
  CreateOptions,
  'store' | 'addon' | 'blockSize' | 'level' | 'exclude' | 'signal'
> & {
  /** Default zstd. */
  readonly chunkCodec?: ChunkCodec | undefined;
};

/** Reads the source; when this is done, everything it has is in the store. */
export async function loadSource(
  source: ImageSource,
  options: LoadSourceOptions,
  progress: CreateProgress,
): Promise<SourceTree & { readonly stored: Stored }> {
  // A failure on either side ends the other: reading on when the store is gone would be in vain.
  const controller = new AbortController();
  // Every call to the store in progress listens.
  setMaxListeners(LISTENERS_MAX, controller.signal);
  const stop = (): void => controller.abort(abortError(options.signal as AbortSignal));
  options.signal?.addEventListener('abort', stop, { once: true });
  throwIfAborted(options.signal);
  const { store } = options;
  const uploader = new Uploader(store, controller.signal);
  let holes = 0;
  let holeBytes = 0;
  const writer = new ChunkWriter({
    codec: options.addon,
    blockSize: options.blockSize ?? BLOCK_SIZE_DEFAULT,
    level: options.level ?? LEVEL_DEFAULT,
    chunkCodec: options.chunkCodec,
    put: (id, bytes) => uploader.add(id, bytes),
    folder: isFolderStore(store) ? () => store.chunkFolder() : undefined,
    note: (id, storedSize, isNew) => uploader.note(id, storedSize, isNew),
    onBytes: (bytes, isHole) => {
      progress.bytes += bytes;
      if (!isHole) return;
      holes++;
      holeBytes += bytes;
    },
  });
  const { addon, exclude = [] } = options;
  try {
    const tree = await source.load({
      addon,
      writer,
      uploader,
      progress,
      exclude: exclude.length === 0 ? undefined : compileExcludes(exclude),
      signal: controller.signal,
    });
    await uploader.finish();
    return { ...tree, stored: { ...uploader.counts, holes, holeBytes } };
  } catch (error) {
    controller.abort(error);
    throw error;
  } finally {
    await uploader.settle();
    options.signal?.removeEventListener('abort', stop);
  }
}

/** @throws RangeError when a block size or level is out of range */
export function checkNumbers({
  blockSize = BLOCK_SIZE_DEFAULT,
  level = LEVEL_DEFAULT,
}: LoadSourceOptions) {
  const isPower = Number.isInteger(Math.log2(blockSize));
  if (!isPower || blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX) {
    throw new RangeError(`Block size ${blockSize} is not a power of two from 4 KiB to 4 MiB`);
  }
  if (!Number.isInteger(level) || level < 1 || level > LEVEL_MAX) {
    throw new RangeError(`zstd level ${level} is not from 1 to ${LEVEL_MAX}`);
  }
}
