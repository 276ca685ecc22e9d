/**
 * A cache on this machine's disk in front of a chunk backend on another: what was read once goes out as chunks of a
 * folder do (`send-cached.ts`).
 *
 * A chunk never changes under its id, so what is kept is right as long as its bytes are. What can change is whether the
 * backend still has it, and who may read it: the collector of another hub tells nobody, and takes the record of who may
 * read a private chunk away with it, behind which a chunk counts as public. Hence, of what is kept,
 *
 * - a chunk that was public while the backend had it is served to everybody: it is public for good;
 * - any other one is served at once only to those who have just been found in its record. Without a record the backend
 *   is asked first whether it is there;
 * - each is compared with its id, and the backend asked, when it was not for an hour, or not by this process.
 *
 * Uploads, collections and checks go by the backend alone.
 */
import { isG8Error } from '../../base/errors.ts';
import { chunkMatches, type DigestFunction, missingError } from '../../store/chunk-id.ts';
import type { OnChunk } from '../../store/deliver.ts';
import type { OpenChunk } from '../../store/directory.ts';
import type { CachedChunk } from '../../store/directory-calls.ts';
import { getEach } from '../../store/each.ts';
import type { ChunkId, ChunkStore } from '../../store/store.ts';
import { type Kept, KeptChunks, type KeptChunksOptions } from './kept-chunks.ts';

export interface ChunkCacheOptions extends KeptChunksOptions {
  readonly digest?: DigestFunction | undefined;
  /** Whether a chunk has no record of who may read it, now. */
  readonly isPublic: (id: ChunkId) => Promise<boolean>;
  /** A clock in milliseconds; replaced in tests. */
  readonly now?: () => number;
}

export interface ChunkCacheStatus {
  readonly hits: number;
  readonly misses: number;
  readonly evicted: number;
  readonly count: number;
  readonly size: number;
  readonly sizeMax: number;
}

/** What is kept is compared with its id, and the backend asked for it, when this has passed. */
const RECHECK_MS = 3_600_000;
/** Of what has been fetched and is not written yet; what comes above it is not kept. */
const WAITING_SIZE_MAX = 64 * 1024 * 1024;
// Of one batch: as many as a Redis is asked for at a time.
const READ_CONCURRENCY = 16;

export class ChunkCache {
  readonly #backend: ChunkStore;
  readonly #kept: KeptChunks;
  readonly #digest: DigestFunction | undefined;
  readonly #isPublic: (id: ChunkId) => Promise<boolean>;
  readonly #now: () => number;
  /** By id and whether whoever asks has found it public. */
  readonly #flights = new Map<string, Promise<Uint8Array>>();
  readonly #keeping = new Set<Promise<unknown>>();
  #waitingSize = 0;
  /** What was on its way when one was removed may be that one. */
  #removals = 0;
  #hits = 0;
  #misses = 0;

  private constructor(backend: ChunkStore, kept: KeptChunks, options: ChunkCacheOptions) {
    this.#backend = backend;
    this.#kept = kept;
    this.#digest = options.digest;
    this.#isPublic = options.isPublic;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @throws as `KeptChunks.open` */
  static async open(backend: ChunkStore, options: ChunkCacheOptions): Promise<ChunkCache> {
    return new ChunkCache(backend, await KeptChunks.open(options), options);
  }

  get status(): ChunkCacheStatus {
    return { hits: this.#hits, misses: this.#misses, ...this.#kept.status };
  }

  /**
   * Opens a chunk that is kept and in memory, at once.
   *
   * @param isPublic whoever asks has found no record of who may read it
   * @returns `undefined` when it cannot be had that way: then {@link read} can, or says why not
   */
  openCached(id: ChunkId, isPublic: boolean): CachedChunk | undefined {
    if (!this.#isUsable(this.#kept.find(id), isPublic)) return undefined;
    const file = this.#kept.directory.openCached(id);
    if (file !== undefined) this.#hits++;
    return file;
  }

  /**
   * A chunk, from the disk or the backend; in memory where it came from there.
   *
   * @throws ERR_CHUNK_MISSING, and what the backend throws
   */
  async read(id: ChunkId, isPublic: boolean): Promise<OpenChunk | Uint8Array> {
    if (this.#isUsable(this.#kept.find(id), isPublic)) {
      try {
        const file = await this.#kept.directory.openChunk(id);
        this.#hits++;
        return file;
      } catch {
        await this.#kept.drop(id);
      }
    }
    return await this.#bytes(id, isPublic);
  }

  /** Many chunks, one result for each id, in any order. Does not reject. */
  async deliver(
    ids: readonly ChunkId[],
    isPublic: (id: ChunkId) => boolean,
    onChunk: OnChunk,
  ): Promise<void> {
    const distinct = [...new Set(ids)];
    const rest: ChunkId[] = [];
    const usable: ChunkId[] = [];
    for (const id of distinct) {
      (this.#isUsable(this.#kept.find(id), isPublic(id)) ? usable : rest).push(id);
    }
    const lost: ChunkId[] = [];
    const had = new Set<ChunkId>();
    try {
      await this.#kept.directory.deliver(usable, {}, (result) => {
        had.add(result.id);
        if ('error' in result) return void lost.push(result.id);
        this.#hits++;
        onChunk(result);
      });
    } catch {
      lost.push(...usable.filter((id) => !had.has(id)));
    }
    for (const id of lost) await this.#kept.drop(id);
    const work = getEach([...rest, ...lost], READ_CONCURRENCY, {}, (id) =>
      this.#bytes(id, isPublic(id)),
    );
    for await (const result of work) onChunk(result);
  }

  /** Forgets a chunk that the backend has no more. */
  async remove(id: ChunkId): Promise<void> {
    this.#removals++;
    await this.#kept.drop(id);
  }

  /** Waits until what was read before is kept. */
  async settled(): Promise<void> {
    await Promise.all([this.#kept.looked(), ...this.#keeping]);
  }

  /** What was read is kept, and what is being looked at is left. The backend stays open. */
  async close(): Promise<void> {
    await Promise.all(this.#keeping);
    await this.#kept.close();
  }

  #isUsable(kept: Kept | undefined, isPublic: boolean): kept is Kept {
    if (kept?.checkedMs === undefined || this.#now() - kept.checkedMs >= RECHECK_MS) return false;
    return kept.isPublic || !isPublic;
  }

  /** What cannot be taken from the disk without more ado; once for all who ask for it meanwhile. */
  async #bytes(id: ChunkId, isPublic: boolean): Promise<Uint8Array> {
    const key = `${id}${isPublic}`;
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = this.#load(id, isPublic).finally(() => this.#flights.delete(key));
      this.#flights.set(key, flight);
    }
    return await flight;
  }

  async #load(id: ChunkId, isPublic: boolean): Promise<Uint8Array> {
    const kept = this.#kept.find(id);
    if (kept !== undefined) {
      const bytes = await this.#recheck(id, kept, isPublic);
      if (bytes !== undefined) return bytes;
    }
    this.#misses++;
    const removals = this.#removals;
    const bytes = await this.#backend.get(id);
    if (this.#waitingSize + bytes.length <= WAITING_SIZE_MAX) {
      this.#waitingSize += bytes.length;
      const keeping = this.#keep(id, bytes, isPublic, removals)
        .catch(() => {}) // It is not kept, then.
        .finally(() => {
          this.#waitingSize -= bytes.length;
          this.#keeping.delete(keeping);
        });
      this.#keeping.add(keeping);
    }
    return bytes;
  }

  async #keep(id: ChunkId, bytes: Uint8Array, wasPublic: boolean, removals: number): Promise<void> {
    if (!(await chunkMatches(id, bytes, this.#digest))) return;
    // Looked at behind the backend's answer as well: its owner's record is there before a chunk is.
    const isPublic = wasPublic && (await this.#isPublic(id));
    const kept: Kept = { size: bytes.length, checkedMs: this.#now(), isPublic };
    await this.#kept.keep(id, bytes, kept, () => this.#removals === removals);
  }

  /**
   * Looks whether what is kept may be served again.
   *
   * @returns its bytes; `undefined` when they are not those of its id
   * @throws ERR_CHUNK_MISSING; what the backend throws, when it has to be asked
   */
  async #recheck(id: ChunkId, kept: Kept, isPublic: boolean): Promise<Uint8Array | undefined> {
    const removals = this.#removals;
    const bytes = await this.#kept.directory.get(id).catch(() => undefined);
    if (bytes === undefined || !(await chunkMatches(id, bytes, this.#digest))) {
      await this.#kept.drop(id);
      return undefined;
    }
    try {
      if ((await this.#backend.missing([id])).length > 0) {
        await this.#kept.drop(id);
        throw missingError(id, this.#backend.name);
      }
    } catch (error) {
      // While the backend is away, to those who may have it for certain.
      if (isG8Error(error, 'ERR_CHUNK_MISSING') || (isPublic && !kept.isPublic)) throw error;
      this.#hits++;
      return bytes;
    }
    // Private since it was looked at: whoever asks again is asked who they are.
    if (isPublic && !(await this.#isPublic(id))) throw missingError(id, this.#backend.name);
    if (this.#removals === removals) {
      kept.checkedMs = this.#now();
      kept.isPublic ||= isPublic;
    }
    this.#hits++;
    return bytes;
  }
}
