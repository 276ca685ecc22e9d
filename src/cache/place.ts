/**
 * Makes content files of single chunks, many in one native call: what comes up in one turn of the event loop goes
 * together, because small files cost less to make than to talk about.
 *
 * Concurrency: calls run on libuv's pool, a few at a time, the urgent ones first, each under the locks of its
 * contents. Bounded by its callers, each of whom holds the chunk that it brings.
 */
import { isG8Error } from '../base/errors.ts';
import { Limiter } from '../base/limit.ts';
import type { Flight } from '../base/singleflight.ts';
import type { Chunk } from '../format/content.ts';
import type { ContentRef } from './content.ts';
import type { Evictor } from './evict.ts';
import { type ChunkFetcher, type FetchOptions, PRIORITY } from './fetch.ts';
import type { CacheParts } from './parts.ts';
import type { ContentRecord } from './records.ts';

/** What the native call gives when something is there already. */
const PLACE_EXISTS = -1;
/** And where the file system cannot do it this way. */
const PLACE_UNSUPPORTED = -2;

/** Calls at the same time by priority: the threads of the pool, of which background work leaves half. */
const CALL_SHARES = [4, 3, 2];
const CALL_QUEUE_COUNT_MAX = 65_536;
/** Files and plain bytes of one call: a millisecond or two on one thread. */
const GROUP_COUNT_MAX = 32;
const GROUP_BYTES_MAX = 1024 * 1024;
/** File systems give room in these, nearly all of them. */
const ALLOCATION_BYTES = 4096;

/** A content on its way to its place. */
export interface Landing {
  /** Hex of the content digest, and of the chunk's id. */
  readonly key: string;
  readonly chunkId: string;
  readonly ref: ContentRef;
  readonly chunk: Chunk;
  readonly flight: Flight<boolean>;
}

interface Pending {
  readonly landing: Landing;
  readonly stored: Uint8Array;
  /** The record is with the kernel. */
  readonly recorded: Promise<void>;
  readonly resolve: (placed: boolean) => void;
  readonly reject: (error: unknown) => void;
}

export interface PlacerOptions {
  readonly parts: CacheParts;
  readonly evictor: Evictor;
  readonly fetcher: ChunkFetcher;
  /** Contents became complete and are not durable yet. */
  readonly onComplete: () => void;
}

export class Placer {
  readonly #parts: CacheParts;
  readonly #evictor: Evictor;
  readonly #fetcher: ChunkFetcher;
  readonly #onComplete: () => void;
  readonly #calls = new Limiter({ shares: CALL_SHARES, queueCountMax: CALL_QUEUE_COUNT_MAX });
  readonly #pending: Pending[][] = CALL_SHARES.map(() => []);
  #isDue = false;
  #isUnsupported = false;

  constructor({ parts, evictor, fetcher, onComplete }: PlacerOptions) {
    this.#parts = parts;
    this.#evictor = evictor;
    this.#fetcher = fetcher;
    this.#onComplete = onComplete;
  }

  /** The cache's file system cannot do it. */
  get isUnsupported(): boolean {
    return this.#isUnsupported;
  }

  /**
   * Verifies a chunk and makes it its content's file.
   *
   * @param recorded resolves when the content's record is with the kernel
   * @returns false when something else was there or came between
   * @throws ERR_CHUNK_CORRUPT after a second try, ERR_CACHE_FULL, ERR_IO
   */
  async place(
    landing: Landing,
    stored: Uint8Array,
    recorded: Promise<void>,
    options: FetchOptions,
  ): Promise<boolean> {
    const priority = PRIORITY[options.priority];
    try {
      return await this.#add(landing, stored, recorded, priority);
    } catch (error) {
      const { counters } = this.#parts;
      if (isG8Error(error, 'ERR_CACHE_FULL')) {
        if ((await this.#evictor.makeRoom(landing.ref.size)) === 0) throw error;
        return await this.#add(landing, stored, recorded, priority);
      }
      if (!isG8Error(error, 'ERR_CHUNK_CORRUPT')) throw error;
      counters.corruptChunks++;
      // A failover or routing store may have a good copy elsewhere.
      const again = await this.#fetcher.refetch(landing.chunkId, options);
      return await this.#add(landing, again, recorded, priority).catch((second: unknown) => {
        if (isG8Error(second, 'ERR_CHUNK_CORRUPT')) counters.corruptChunks++;
        throw second;
      });
    }
  }

  #add(
    landing: Landing,
    stored: Uint8Array,
    recorded: Promise<void>,
    priority: number,
  ): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#pending[priority]?.push({ landing, stored, recorded, resolve, reject });
      if (this.#isDue) return;
      this.#isDue = true;
      setImmediate(() => {
        this.#isDue = false;
        this.#start();
      });
    });
  }

  #start(): void {
    for (const [priority, pending] of this.#pending.entries()) {
      while (pending.length > 0) {
        const group = takeGroup(pending);
        this.#calls
          .run(() => this.#run(group), { priority })
          .catch((error: unknown) => {
            for (const { reject } of group) reject(error);
          });
      }
    }
  }

  async #run(group: readonly Pending[]): Promise<void> {
    // One whose record could not be written fails for itself.
    const ready: Pending[] = [];
    for (const one of group) await one.recorded.then(() => ready.push(one), one.reject);
    const keys = ready.map(({ landing }) => landing.key);
    if (ready.length > 0) await this.#parts.lock.runMany(keys, () => this.#placeLocked(ready));
  }

  // Under the locks of all of them.
  async #placeLocked(group: readonly Pending[]): Promise<void> {
    const { addon, layout, partials } = this.#parts;
    const free = group.filter(({ landing, resolve }) => {
      // Somebody else may have begun to fill it in the meantime.
      const isFree = partials.find(landing.key) === undefined;
      if (!isFree) resolve(false);
      return isFree;
    });
    if (free.length === 0) return;
    await this.#recordAgain(free.map(({ landing }) => landing.ref));
    const results = await addon.placeFiles(
      free.map(({ stored, landing: { key, chunk, ref } }) => ({
        path: layout.filePath(key),
        stored,
        codec: chunk.codec,
        id: chunk.id,
        plainDigest: chunk.plainDigest,
        plainSize: ref.size,
      })),
    );
    const sizes = new Map<ContentRef, number>();
    for (const [index, one] of free.entries()) {
      const result = results[index];
      if (typeof result !== 'number') one.reject(result);
      else this.#placed(one, result, sizes);
    }
    if (sizes.size > 0) await this.#record([...sizes.keys()], sizes);
  }

  #placed({ landing, resolve }: Pending, bytes: number, sizes: Map<ContentRef, number>): void {
    if (bytes === PLACE_UNSUPPORTED) this.#isUnsupported = true;
    if (bytes === PLACE_EXISTS || bytes === PLACE_UNSUPPORTED) {
      resolve(false);
      return;
    }
    const { ref } = landing;
    this.#parts.residency.complete(ref.digest);
    if (bytes !== estimate(ref.size)) sizes.set(ref, bytes);
    this.#onComplete();
    resolve(true);
  }

  // A record may have been evicted between its writing and the lock.
  async #recordAgain(refs: readonly ContentRef[]): Promise<void> {
    const { catalog, state } = this.#parts;
    const records = await catalog.findMany(refs.map(({ digest }) => digest));
    const gone = refs.filter((_, index) => records[index]?.complete !== true);
    if (gone.length === 0) return;
    await this.#record(gone, new Map());
    await state.flush();
  }

  async #record(
    refs: readonly ContentRef[],
    sizes: ReadonlyMap<ContentRef, number>,
  ): Promise<void> {
    const { catalog, now } = this.#parts;
    const digests = refs.map(({ digest }) => digest);
    await catalog.updateMany(digests, (record, index) => {
      const ref = refs[index] as ContentRef;
      return completeRecord(ref, sizes.get(ref) ?? estimate(ref.size), record, now());
    });
  }
}

/** The record of a content that is complete, or will be in a moment. @param owner whose it is if it is new */
export function completeRecord(
  { algorithm, blockSize, size }: ContentRef,
  bytes: number,
  before: ContentRecord | undefined,
  now: number,
  owner?: number,
): ContentRecord {
  return {
    ...{ algorithm, blockSize, size, bytes, complete: true, durable: false },
    pinned: before?.pinned ?? false,
    lastUseMs: before?.lastUseMs ?? now,
    owner: before === undefined ? owner : before.owner,
  };
}

/** What a file of this size takes on its disk, nearly always. */
export function estimate(size: number): number {
  return Math.ceil(size / ALLOCATION_BYTES) * ALLOCATION_BYTES;
}

function takeGroup(pending: Pending[]): Pending[] {
  let bytes = 0;
  let count = 0;
  while (count < Math.min(pending.length, GROUP_COUNT_MAX) && bytes < GROUP_BYTES_MAX) {
    bytes += (pending[count] as Pending).landing.ref.size;
    count++;
  }
  return pending.splice(0, count);
}
