/**
 * The chunks in a bundle (docs/format.md, section 12), read with pread(2): found by binary search in its
 * index, of which nothing is kept in memory. Read-only; calls may overlap. The bytes come as they lie there:
 * whoever uses them verifies them.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { throwIfAborted } from '../base/abort.ts';
import { compareBytes, fromHex } from '../base/bytes.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import {
  BUNDLE_ENTRY_SIZE,
  BUNDLE_HEADER_SIZE,
  BUNDLE_INDEX_OFFSET,
  type BundleEntry,
  type BundleHeader,
  decodeBundleEntry,
  decodeBundleHeader,
  isBundleStart,
  paddedId,
} from '../format/bundle.ts';
import { assertChunkId, missingError } from './chunk-id.ts';
import { getEach, missingEach } from './each.ts';
import {
  CHUNK_SIZE_MAX,
  type ChunkId,
  type ChunkResult,
  type ChunkStore,
  type StoreCallOptions,
} from './store.ts';

/** libuv runs file calls on four threads by default; twice that keeps them busy. */
const CONCURRENCY = 8;
/** Rows that are read at once when all are listed. */
const ROWS_AT_ONCE = 4096;

/** An open bundle. Close it. */
export class BundleFile {
  readonly path: string;
  readonly header: BundleHeader;
  readonly #handle: FileHandle;

  private constructor(path: string, header: BundleHeader, handle: FileHandle) {
    this.path = path;
    this.header = header;
    this.#handle = handle;
  }

  /** @throws ERR_NO_INPUT, ERR_FLIST_FORMAT when it is no bundle or was cut, ERR_FLIST_VERSION, ERR_IO */
  static async open(path: string): Promise<BundleFile> {
    const handle = await open(path, 'r').catch((error: unknown) => {
      throw toG8Error(error, 'ERR_IO', `Bundle ${path} cannot be opened`);
    });
    try {
      const start = new Uint8Array(BUNDLE_INDEX_OFFSET + BUNDLE_HEADER_SIZE);
      const { bytesRead } = await handle.read(start, 0, start.length, 0);
      if (!isBundleStart(start.subarray(0, bytesRead))) {
        throw new G8Error('ERR_FLIST_FORMAT', `${path} is no bundle`);
      }
      const { size } = await handle.stat();
      const header = decodeBundleHeader(start.subarray(BUNDLE_INDEX_OFFSET, bytesRead), size);
      return new BundleFile(path, header, handle);
    } catch (error) {
      await handle.close();
      throw toG8Error(error, 'ERR_IO', `Bundle ${path} cannot be read`);
    }
  }

  /** Bytes of the bundle, in pieces. */
  async *pieces(offset: number, size: number): AsyncGenerator<Uint8Array> {
    const step = 1024 * 1024;
    for (let done = 0; done < size; done += step) {
      yield await this.read(offset + done, Math.min(step, size - done));
    }
  }

  /** @throws ERR_IO */
  async read(offset: number, size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await this.#handle
        .read(bytes, filled, size - filled, offset + filled)
        .catch((error: unknown) => {
          throw toG8Error(error, 'ERR_IO', `Bundle ${this.path} cannot be read`);
        });
      if (bytesRead === 0) {
        throw new G8Error('ERR_IO', `Bundle ${this.path} is shorter than it was`);
      }
      filled += bytesRead;
    }
    return bytes;
  }

  /** Where a chunk is; `undefined` when it is not in the bundle. @throws ERR_FLIST_FORMAT, ERR_IO */
  async find(id: ChunkId): Promise<BundleEntry | undefined> {
    const bytes = fromHex(id) as Uint8Array;
    const key = paddedId(bytes);
    let low = 0;
    let high = this.header.chunkCount;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = await this.#rows(middle, 1);
      const order = compareBytes(row.subarray(0, key.length), key);
      if (order === 0) {
        const entry = decodeBundleEntry(row, this.header, CHUNK_SIZE_MAX);
        return entry.id.length === bytes.length ? entry : undefined;
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** All chunks, by id. @throws ERR_FLIST_FORMAT, ERR_IO */
  async *entries(): AsyncGenerator<BundleEntry> {
    for (let first = 0; first < this.header.chunkCount; first += ROWS_AT_ONCE) {
      const count = Math.min(ROWS_AT_ONCE, this.header.chunkCount - first);
      const rows = await this.#rows(first, count);
      for (let i = 0; i < count; i++) {
        const row = rows.subarray(i * BUNDLE_ENTRY_SIZE, (i + 1) * BUNDLE_ENTRY_SIZE);
        yield decodeBundleEntry(row, this.header, CHUNK_SIZE_MAX);
      }
    }
  }

  #rows(first: number, count: number): Promise<Uint8Array> {
    const offset = BUNDLE_INDEX_OFFSET + BUNDLE_HEADER_SIZE + BUNDLE_ENTRY_SIZE * first;
    return this.read(offset, BUNDLE_ENTRY_SIZE * count);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Whether a file is a bundle; `false` also for what cannot be read. */
export async function isBundle(path: string): Promise<boolean> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const start = new Uint8Array(BUNDLE_INDEX_OFFSET + BUNDLE_HEADER_SIZE);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return isBundleStart(start.subarray(0, bytesRead));
  } catch {
    // A folder, say: whoever opens it as what it should be says why not.
    return false;
  } finally {
    await handle.close();
  }
}

/** URL of a bundle as a store. */
export function bundleUrl(path: string): string {
  return `bundle://${encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23')}`;
}

export class BundleStore implements ChunkStore {
  readonly name: string;
  readonly #path: string;
  #file: Promise<BundleFile> | undefined;
  #isClosed = false;

  /** Opened when it is first asked. */
  constructor(path: string) {
    this.#path = path;
    this.name = `bundle://${path}`;
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    const file = await this.#open();
    const entry = await file.find(id);
    if (entry === undefined) throw missingError(id, this.name);
    return await file.read(entry.offset, entry.size);
  }

  getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    return getEach(ids, CONCURRENCY, options, (id, inner) => this.get(id, inner));
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    ids.forEach(assertChunkId);
    return await missingEach(ids, CONCURRENCY, options, async (id) => {
      const file = await this.#open();
      return (await file.find(id)) !== undefined;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const file = await this.#file?.catch(() => undefined);
    this.#file = undefined;
    await file?.close();
  }

  #open(): Promise<BundleFile> {
    if (this.#isClosed) throw new G8Error('ERR_STORE_UNAVAILABLE', `${this.name} is closed`);
    this.#file ??= BundleFile.open(this.#path).catch((error: unknown) => {
      this.#file = undefined;
      const { message } = toG8Error(error, 'ERR_IO', `${this.name} cannot be opened`);
      throw new G8Error('ERR_STORE_UNAVAILABLE', message, { cause: error });
    });
    return this.#file;
  }
}
