/**
 * Chunks in a directory: `<root>/<hex[0:2]>/<hex>`; the flat `<root>/<hex>` is read as well.
 *
 * A chunk appears under its name by rename, complete or not at all, so any number of processes may
 * read and write one directory at the same time.
 */
import { constants, type Stats } from 'node:fs';
import { access, type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { withDeadline } from '../base/deadline.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { plural } from '../base/plural.ts';
import { forEachParallel } from '../base/workers.ts';
import { readWhole, sweepTemporaries, temporaryFolder, writeChunkFile } from './chunk-file.ts';
import { assertChunkId, chunkPath, corruptError, isChunkId, missingError } from './chunk-id.ts';
import type { DeliveringStore, OnChunk } from './deliver.ts';
import type {
  CachedChunk,
  DirectoryCalls,
  FindChunks,
  OpenCachedChunk,
  ReadChunks,
  WriteChunks,
} from './directory-calls.ts';
import { getEach, missingEach } from './each.ts';
import {
  type BulkChunkStore,
  CHUNK_SIZE_MAX,
  type ChunkFolder,
  type ChunkId,
  type ChunkResult,
  type PrunableChunkStore,
  type StoreCallOptions,
} from './store.ts';

export interface DirectoryStoreOptions extends DirectoryCalls {
  readonly path: string;
  /** Make the directory when the first chunk is put; until then it counts as empty. Default false. */
  readonly create?: boolean;
  /** Flush each chunk and its name to the device before `put` resolves. Default false. */
  readonly fsync?: boolean;
}

/** A chunk that is open for reading. Whoever gets one closes the handle. */
export interface OpenChunk {
  readonly handle: FileHandle;
  readonly size: number;
  readonly modified: Date;
}

// libuv runs file calls on four threads by default; twice that keeps them busy.
const CONCURRENCY = 8;
// A disk answers in milliseconds; what takes longer than this is a dead network filesystem.
const TIMEOUT_MS = 30_000;
// One call is short, and a batch keeps all four threads busy.
const WRITES_MAX = 64;
const FINDS_MAX = 1024;
const READS_MAX = 64;
/** Bytes that one call reads: what a request holds in memory. */
const READ_SIZE_MAX = 1024 * 1024;
export class DirectoryStore implements PrunableChunkStore, DeliveringStore {
  readonly name: string;
  readonly #root: string;
  readonly #create: boolean;
  readonly #fsync: boolean;
  readonly #findChunks: FindChunks | undefined;
  readonly #readChunks: ReadChunks | undefined;
  readonly #openCachedChunk: OpenCachedChunk | undefined;
  readonly putMany?: BulkChunkStore['putMany'];

  constructor(options: DirectoryStoreOptions) {
    this.#root = options.path;
    this.#create = options.create ?? false;
    this.#fsync = options.fsync ?? false;
    this.name = `dir://${options.path}`;
    const { writeChunks, findChunks } = options;
    this.#findChunks = findChunks;
    this.#readChunks = options.readChunks;
    this.#openCachedChunk = options.openCachedChunk;
    if (writeChunks === undefined) return;
    this.putMany = (chunks, callOptions) => this.#putMany(chunks, writeChunks, callOptions);
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    assertChunkId(id);
    return await this.#timed(`Reading chunk ${id}`, options, async () => {
      const { handle, size } = await this.openChunk(id);
      try {
        return await readWhole(handle, size);
      } catch (error) {
        throw toG8Error(error, 'ERR_IO', `Cannot read chunk ${id} of ${this.name}`);
      } finally {
        await handle.close();
      }
    });
  }

  getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    return getEach(ids, CONCURRENCY, options, (id, inner) => this.get(id, inner));
  }

  async deliver(
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<void> {
    const readChunks = this.#readChunks;
    if (readChunks === undefined) {
      for await (const result of this.getMany(ids, options)) onChunk(result);
      return;
    }
    ids.forEach(assertChunkId);
    const limits = { sizeMax: READ_SIZE_MAX, chunkSizeMax: CHUNK_SIZE_MAX };
    for (let left = [...new Set(ids)]; left.length > 0; ) {
      const read = () => readChunks(this.#root, left.slice(0, READS_MAX), limits);
      const { bytes, sizes } = await this.#timed('Reading chunks', options, read);
      let offset = 0;
      for (const [index, size] of sizes.entries()) {
        const id = left[index] as ChunkId;
        if (size > 0) onChunk({ id, bytes: bytes.subarray(offset, offset + size) });
        else await this.#deliverOne(id, options, onChunk);
        offset += size;
      }
      left = left.slice(sizes.length);
    }
  }

  // Absent, or not readable: why is the longer way's to say.
  async #deliverOne(id: ChunkId, options: StoreCallOptions, onChunk: OnChunk): Promise<void> {
    try {
      onChunk({ id, bytes: await this.get(id, options) });
    } catch (error) {
      throwIfAborted(options.signal);
      onChunk({ id, error });
    }
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    ids.forEach(assertChunkId);
    const findChunks = this.#findChunks;
    if (findChunks !== undefined) return await this.#missingOf(ids, findChunks, options);
    const missing = await missingEach(ids, CONCURRENCY, options, (id, inner) =>
      this.#timed(
        `Looking for chunk ${id}`,
        inner,
        async () => (await this.find(id)) !== undefined,
      ),
    );
    if (missing.length > 0) await this.#assertRoot();
    return missing;
  }

  async #missingOf(
    ids: readonly ChunkId[],
    findChunks: FindChunks,
    options: StoreCallOptions,
  ): Promise<ChunkId[]> {
    const missing: ChunkId[] = [];
    for (let start = 0; start < ids.length; start += FINDS_MAX) {
      const part = ids.slice(start, start + FINDS_MAX);
      const find = () => findChunks(this.#root, part);
      const found = await this.#timed(`Looking for ${part.length} chunks`, options, find);
      missing.push(...part.filter((_, i) => found[i] === 0));
    }
    if (missing.length > 0) await this.#assertRoot();
    return missing;
  }

  async chunkFolder(): Promise<ChunkFolder> {
    try {
      if (!this.#create) await this.#assertRoot();
      await makeFolder(temporaryFolder(this.#root));
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `Cannot write chunks to ${this.name}`);
    }
    return { path: this.#root, fsync: this.#fsync };
  }

  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    if (bytes.length > CHUNK_SIZE_MAX) throw aboveBound(id);
    await this.#timed(`Writing chunk ${id}`, options, async () => {
      if (!this.#create) await this.#assertRoot();
      if ((await this.find(id)) !== undefined) return;
      try {
        await writeChunkFile(this.#root, id, bytes, { fsync: this.#fsync });
      } catch (error) {
        throw toG8Error(error, 'ERR_IO', `Cannot write chunk ${id} to ${this.name}`);
      }
    });
  }

  async #putMany(
    chunks: ReadonlyMap<ChunkId, Uint8Array>,
    writeChunks: WriteChunks,
    options: StoreCallOptions = {},
  ): Promise<ChunkId[]> {
    if (chunks.size === 0) return [];
    for (const [id, bytes] of chunks) {
      assertChunkId(id);
      if (bytes.length > CHUNK_SIZE_MAX) throw aboveBound(id);
    }
    await this.chunkFolder();
    const ids = [...chunks.keys()];
    const parts = Array.from({ length: Math.ceil(ids.length / WRITES_MAX) }, (_, i) =>
      ids.slice(i * WRITES_MAX, (i + 1) * WRITES_MAX),
    );
    const added: ChunkId[] = [];
    const write = async (part: readonly ChunkId[]): Promise<void> => {
      const stored = part.map((id) => chunks.get(id) as Uint8Array);
      const flags = await writeChunks(this.#root, part, stored, { fsync: this.#fsync });
      added.push(...part.filter((_, i) => flags[i] === 1));
    };
    try {
      const work = { concurrency: CONCURRENCY, signal: options.signal };
      await forEachParallel(parts, work, async (part) => {
        // Not ended by the signal: a call that has begun is over soon, and goes on behind nobody's back.
        await this.#timed(`Writing ${plural(part.length, 'chunk')}`, {}, () => write(part));
      });
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `Cannot write chunks to ${this.name}`);
    }
    return added;
  }

  async *list(options: StoreCallOptions = {}): AsyncGenerator<ChunkId, void, void> {
    for (const entry of await this.#namesOf(this.#root)) {
      if (isChunkId(entry)) {
        // A chunk may lie in both places; it is listed where `get` finds it first.
        if (!(await exists(join(this.#root, chunkPath(entry))))) yield entry;
      } else if (/^[0-9a-f]{2}$/.test(entry)) {
        for (const name of await this.#namesOf(join(this.#root, entry))) {
          throwIfAborted(options.signal);
          if (isChunkId(name) && name.startsWith(entry)) yield name;
        }
      }
    }
  }

  async delete(id: ChunkId, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    for (const path of this.#paths(id)) {
      try {
        await unlink(path);
      } catch (error) {
        if (isAbsent(error)) continue;
        throw toG8Error(error, 'ERR_IO', `Cannot delete chunk ${id} of ${this.name}`);
      }
    }
  }

  async close(): Promise<void> {}

  /**
   * Opens a chunk to be streamed.
   *
   * @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT when what lies there can be no chunk
   */
  async openChunk(id: ChunkId): Promise<OpenChunk> {
    for (const path of this.#paths(id)) {
      const handle = await this.#openFile(id, path);
      if (handle === undefined) continue;
      try {
        const info = await handle.stat();
        // What a power failure can leave of a chunk that was not flushed; no chunk is empty.
        if (info.isFile() && info.size === 0) {
          await handle.close();
          continue;
        }
        if (!info.isFile()) throw corruptError(id, this.name, 'is not a regular file');
        if (info.size > CHUNK_SIZE_MAX) throw corruptError(id, this.name, 'is too large');
        return { handle, size: info.size, modified: info.mtime };
      } catch (error) {
        await handle.close();
        throw toG8Error(error, 'ERR_IO', `Cannot read chunk ${id} of ${this.name}`);
      }
    }
    await this.#assertRoot();
    throw missingError(id, this.name);
  }

  /** Opens a chunk that is in memory; `undefined` when it is not, or cannot be had that way: then `openChunk` says more. */
  openCached(id: ChunkId): CachedChunk | undefined {
    return this.#openCachedChunk?.(this.#root, id, CHUNK_SIZE_MAX);
  }

  /** Size and time of a chunk, `undefined` when it is absent. */
  async find(id: ChunkId): Promise<{ size: number; modified: Date } | undefined> {
    for (const path of this.#paths(id)) {
      try {
        const info: Stats = await stat(path);
        if (info.isFile() && info.size > 0) return { size: info.size, modified: info.mtime };
      } catch (error) {
        if (isAbsent(error)) continue;
        throw toG8Error(error, 'ERR_IO', `Cannot look for chunk ${id} in ${this.name}`);
      }
    }
    return undefined;
  }

  /** Deletes temporary files older than `ageMs`, which a killed writer left behind. */
  async sweep(ageMs: number): Promise<void> {
    await sweepTemporaries(this.#root, ageMs);
  }

  #paths(id: ChunkId): string[] {
    return [join(this.#root, chunkPath(id)), join(this.#root, id)];
  }

  async #openFile(id: ChunkId, path: string): Promise<FileHandle | undefined> {
    try {
      // O_NONBLOCK: opening a FIFO that someone put there must not wait for a writer.
      return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw toG8Error(error, 'ERR_IO', `Cannot open chunk ${id} of ${this.name}`);
    }
  }

  // A directory that is gone (an unmounted disk, say) has not answered that it lacks a chunk.
  async #assertRoot(): Promise<void> {
    if (this.#create) return;
    try {
      await access(this.#root);
    } catch (error) {
      const message = `Store directory ${this.#root} cannot be read`;
      throw new G8Error('ERR_STORE_UNAVAILABLE', message, { cause: error });
    }
  }

  async #namesOf(directory: string): Promise<string[]> {
    try {
      return (await readdir(directory)).sort();
    } catch (error) {
      if (isAbsent(error) && (this.#create || directory !== this.#root)) return [];
      throw toG8Error(error, 'ERR_IO', `Cannot list ${this.name}`);
    }
  }

  async #timed<T>(what: string, options: StoreCallOptions, run: () => Promise<T>): Promise<T> {
    return await withDeadline({ timeoutMs: TIMEOUT_MS, signal: options.signal, what }, run);
  }
}

function aboveBound(id: ChunkId): RangeError {
  return new RangeError(`Chunk ${id} is above the size bound`);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function isAbsent(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
