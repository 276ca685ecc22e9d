/**
 * Chunks in a folder of bounded size; those that nobody asked for longest go first.
 *
 * The files are a chunk directory like any other, so a chunk is there whole or not at all whenever the process is
 * killed. What is known of them is in memory alone: after a start every file is there, and nothing else is known of it.
 * Losing any of this costs a fetch, so nothing is flushed to the device, and a failed write is no failure.
 */
import { statfs } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { isG8Error } from '../../base/errors.ts';
import { KeyedLock } from '../../base/keyed-lock.ts';
import { DirectoryStore, type DirectoryStoreOptions } from '../../store/directory.ts';
import type { ChunkId } from '../../store/store.ts';
import { takeCacheFolder } from './cache-folder.ts';

/** What is known of a chunk that is kept. */
export interface Kept {
  readonly size: number;
  /** When its bytes were last compared with its id while the backend had it, on the clock of the cache; `undefined`: never. */
  checkedMs: number | undefined;
  /** Seen when everybody might read it: it is public for good. */
  isPublic: boolean;
}

export type KeptChunksOptions = Pick<
  DirectoryStoreOptions,
  'path' | 'readChunks' | 'openCachedChunk' | 'writeChunks'
> & {
  /** Bytes; a quarter of the file system where that is less. */
  readonly sizeMax: number;
};

/** What a chunk counts as at least: its file's block, folder and inode, and what is in memory of it. */
const COUNTED_SIZE_MIN = 16 * 1024;
/** Of the file system that they lie on. */
const DISK_SHARE_MAX = 0.25;
/** Of a killed process: no chunk is being written for as long as this. */
const TEMPORARY_AGE_MS = 600_000;
/** Of what is kept, let go when the disk is full. */
const RELIEF_SHARE = 1 / 8;

export class KeptChunks {
  /** Where they lie. Only what {@link find} knows is to be read. */
  readonly directory: DirectoryStore;
  readonly #entries: LRUCache<ChunkId, Kept>;
  readonly #locks = new KeyedLock();
  readonly #removals = new Set<Promise<void>>();
  readonly #looking: Promise<void>;
  #isClosed = false;
  #evicted = 0;

  private constructor(directory: DirectoryStore, sizeMax: number) {
    this.directory = directory;
    this.#entries = new LRUCache({
      maxSize: sizeMax,
      sizeCalculation: ({ size }) => countedSize(size),
      // Not `dispose`, which is told of what is still there.
      disposeAfter: (_kept, id, reason) => {
        if (reason !== 'evict') return;
        this.#evicted++;
        const removal = this.#removeUnknown(id).finally(() => this.#removals.delete(removal));
        this.#removals.add(removal);
      },
    });
    this.#looking = this.#look().catch(() => {});
  }

  /**
   * Makes the folder, and looks in the background for what is in it.
   *
   * @throws ERR_CONFIG when there is a folder that is none of these; ERR_PERMISSION, ERR_IO when it cannot be made
   *   or written
   */
  static async open(options: KeptChunksOptions): Promise<KeptChunks> {
    const { sizeMax, ...rest } = options;
    await takeCacheFolder(options.path);
    const directory = new DirectoryStore({ ...rest, create: true, fsync: false });
    const { path } = await directory.chunkFolder();
    await directory.sweep(TEMPORARY_AGE_MS);
    const { blocks, bsize } = await statfs(path);
    const room = Math.floor(blocks * bsize * DISK_SHARE_MAX);
    return new KeptChunks(directory, Math.max(1, Math.min(sizeMax, room)));
  }

  /** Chunks, bytes as they count, the bound, and how many had to go. */
  get status(): { count: number; size: number; sizeMax: number; evicted: number } {
    const { size: count, calculatedSize: size, maxSize: sizeMax } = this.#entries;
    return { count, size, sizeMax, evicted: this.#evicted };
  }

  /** What is known of a chunk; being asked for, it is the last to go. */
  find(id: ChunkId): Kept | undefined {
    return this.#entries.get(id);
  }

  /**
   * Keeps a chunk, whose bytes are right.
   *
   * @param isWanted asked when its turn has come
   * @returns whether it is kept
   */
  async keep(
    id: ChunkId,
    bytes: Uint8Array,
    kept: Kept,
    isWanted: () => boolean = () => true,
  ): Promise<boolean> {
    if (countedSize(bytes.length) > this.#entries.maxSize) return false;
    return await this.#locks.run(id, async () => {
      if (this.#isClosed || !isWanted()) return false;
      try {
        // A file of which nothing is known is not taken for this chunk: nobody has compared it with its id.
        if (!this.#entries.has(id)) await this.directory.delete(id);
        await this.#write(id, bytes);
      } catch (error) {
        if (isG8Error(error, 'ERR_CACHE_FULL')) this.#relieve();
        return false;
      }
      this.#entries.set(id, kept);
      return true;
    });
  }

  /** Forgets a chunk and removes its file. Does not reject: what is forgotten is not served, removed or not. */
  async drop(id: ChunkId): Promise<void> {
    await this.#locks.run(id, async () => {
      this.#entries.delete(id);
      await this.#removeFile(id);
    });
  }

  /** Waits until every file is known. */
  async looked(): Promise<void> {
    await this.#looking;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#looking;
    await Promise.all(this.#removals);
  }

  async #write(id: ChunkId, bytes: Uint8Array): Promise<void> {
    const { putMany } = this.directory;
    if (putMany === undefined) await this.directory.put(id, bytes);
    else await putMany(new Map([[id, bytes]]));
  }

  async #removeUnknown(id: ChunkId): Promise<void> {
    await this.#locks.run(id, async () => {
      // Kept again meanwhile.
      if (!this.#entries.has(id)) await this.#removeFile(id);
    });
  }

  async #removeFile(id: ChunkId): Promise<void> {
    // One that cannot be removed is found, and tried again, by the next process.
    await this.directory.delete(id).catch(() => {});
  }

  // Of a full disk: others need it too, and the next chunk shall have room.
  #relieve(): void {
    const { calculatedSize } = this.#entries;
    const size = calculatedSize * (1 - RELIEF_SHARE);
    while (this.#entries.calculatedSize > size && this.#entries.pop() !== undefined);
  }

  /** Takes over what another process has left, in the order in which it came. */
  async #look(): Promise<void> {
    const found: { id: ChunkId; size: number; modifiedMs: number }[] = [];
    for await (const id of this.directory.list()) {
      if (this.#isClosed) return;
      const file = await this.directory.find(id).catch(() => undefined);
      // Neither a file that cannot be looked at nor an empty one is of use.
      if (file === undefined) await this.#removeUnknown(id);
      else found.push({ id, size: file.size, modifiedMs: file.modified.getTime() });
    }
    found.sort((one, other) => other.modifiedMs - one.modifiedMs);
    const fresh = [...this.#entries.rkeys()];
    for (const { id, size } of found) {
      if (this.#isClosed) return;
      if (this.#entries.has(id)) continue;
      const { calculatedSize, maxSize } = this.#entries;
      if (calculatedSize + countedSize(size) > maxSize) await this.#removeUnknown(id);
      else this.#entries.set(id, { size, checkedMs: undefined, isPublic: false });
    }
    // What came last goes last; what was asked for since the start, behind all of it.
    for (const { id } of found.reverse()) this.#entries.get(id);
    for (const id of fresh) this.#entries.get(id);
  }
}

function countedSize(size: number): number {
  return Math.max(COUNTED_SIZE_MIN, size);
}
