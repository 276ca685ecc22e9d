/**
 * Chunks in a namespace of 0-db: one entry per chunk, its key the raw bytes of the id.
 *
 * 0-db speaks the Redis protocol with answers of its own (docs/format.md, section 8): `SET` answers with
 * the key, or nil when the value was there; `SCAN` has a cursor of bytes and ends with an error.
 */
import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { assertChunkId, chunkIdBytes, isChunkId, missingError } from './chunk-id.ts';
import { getEach, missingEach } from './each.ts';
import { chunkOfReply } from './redis.ts';
import { RespConnection, type RespOptions, type RespReply } from './resp-connection.ts';
import { parseRespTarget } from './resp-target.ts';
import {
  CHUNK_SIZE_MAX,
  type ChunkId,
  type ChunkResult,
  type PrunableChunkStore,
  type StoreCallOptions,
} from './store.ts';

const READ_CONCURRENCY = 16;
const ASK_CONCURRENCY = 64;

export class ZdbStore implements PrunableChunkStore {
  readonly name: string;
  readonly #connection: RespConnection;

  /** @throws ERR_CONFIG */
  constructor(url: string, options: RespOptions = {}) {
    const target = parseRespTarget(url);
    this.name = target.name;
    this.#connection = new RespConnection(target, options);
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    const reply = await this.#connection.call('GET', [chunkIdBytes(id)], options);
    const bytes = chunkOfReply(reply, id, this.name);
    if (bytes === undefined) throw missingError(id, this.name);
    return bytes;
  }

  getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    return getEach(ids, READ_CONCURRENCY, options, (id, inner) => this.get(id, inner));
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    ids.forEach(assertChunkId);
    throwIfAborted(options.signal);
    return await missingEach(ids, ASK_CONCURRENCY, options, async (id, inner) => {
      return (await this.#connection.call('EXISTS', [chunkIdBytes(id)], inner)) === 1;
    });
  }

  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    if (bytes.length > CHUNK_SIZE_MAX) throw new RangeError(`Chunk ${id} is above the size bound`);
    await this.#connection.call('SET', [chunkIdBytes(id), bytes], options);
  }

  async *list(options: StoreCallOptions = {}): AsyncGenerator<ChunkId, void, void> {
    let cursor: Uint8Array | undefined;
    for (;;) {
      throwIfAborted(options.signal);
      const page = await this.#scan(cursor, options);
      if (page === undefined) return;
      for (const entry of page.entries) {
        const key = Array.isArray(entry) ? entry[0] : undefined;
        const id = key instanceof Uint8Array ? toHex(key) : '';
        if (isChunkId(id)) yield id;
      }
      cursor = page.next;
    }
  }

  async delete(id: ChunkId, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    try {
      await this.#connection.call('DEL', [chunkIdBytes(id)], options);
    } catch (error) {
      if (!isRefusal(error, /not found/i)) throw error;
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #scan(
    cursor: Uint8Array | undefined,
    options: StoreCallOptions,
  ): Promise<{ next: Uint8Array; entries: readonly RespReply[] } | undefined> {
    let reply: RespReply;
    try {
      reply = await this.#connection.call('SCAN', cursor === undefined ? [] : [cursor], options);
    } catch (error) {
      if (isRefusal(error, /no more data/i)) return undefined;
      throw error;
    }
    const [next, entries] = Array.isArray(reply) ? reply : [];
    if (!(next instanceof Uint8Array) || !Array.isArray(entries)) {
      throw new G8Error('ERR_PROTOCOL', `SCAN at ${this.name} was answered with something else`);
    }
    return { next, entries };
  }
}

function isRefusal(error: unknown, reason: RegExp): boolean {
  return isG8Error(error, 'ERR_PROTOCOL') && reason.test(error.message);
}
