/**
 * Chunks in Redis or a Redis Cluster: one string per chunk under `<prefix><raw id>`, without expiry.
 *
 * Without a prefix in its URL a store writes below {@link REDIS_PREFIX} and also reads the plain keys
 * that the historical tools wrote: the digits of a long id, the bytes of a short one. Only what lies
 * below a prefix is listed and deleted, since a server may hold other keys. A chunk is as durable as
 * the server was told to be when it answers (`appendfsync`, `WAIT`).
 */
import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { assertChunkId, chunkIdBytes, corruptError, isChunkId, missingError } from './chunk-id.ts';
import { getEach, missingEach } from './each.ts';
import { RespConnection, type RespOptions, type RespReply } from './resp-connection.ts';
import { parseRespTarget } from './resp-target.ts';
import {
  CHUNK_SIZE_MAX,
  type ChunkId,
  type ChunkResult,
  type PrunableChunkStore,
  type StoreCallOptions,
} from './store.ts';

/** Of keys when the URL has none. */
export const REDIS_PREFIX = 'chunk:';

// Chunks of one call that are under way: 8 MiB of full ones, enough to hide a round trip.
const READ_CONCURRENCY = 16;
const ASK_CONCURRENCY = 64;
// Keys looked at in one step, a few hundred microseconds in which the server does nothing else.
const SCAN_COUNT = 1000;

export class RedisStore implements PrunableChunkStore {
  readonly name: string;
  readonly #connection: RespConnection;
  /** `undefined`: plain keys only, which are neither written nor listed. */
  readonly #prefix: Uint8Array | undefined;
  readonly #readsPlainKeys: boolean;

  /** @throws ERR_CONFIG */
  constructor(url: string, options: RespOptions = {}) {
    const target = parseRespTarget(url);
    const prefix = target.prefix ?? REDIS_PREFIX;
    this.name = target.name;
    this.#prefix = prefix === '' ? undefined : Buffer.from(prefix, 'utf8');
    this.#readsPlainKeys = target.prefix === undefined || prefix === '';
    this.#connection = new RespConnection(target, options);
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    for (const key of this.#keysOf(id)) {
      const bytes = chunkOfReply(await this.#connection.call('GET', [key], options), id, this.name);
      if (bytes !== undefined) return bytes;
    }
    throw missingError(id, this.name);
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
      for (const key of this.#keysOf(id)) {
        // Not EXISTS: an empty string is no chunk.
        if ((await this.#connection.call('STRLEN', [key], inner)) !== 0) return true;
      }
      return false;
    });
  }

  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    if (bytes.length > CHUNK_SIZE_MAX) throw new RangeError(`Chunk ${id} is above the size bound`);
    await this.#connection.call('SET', [this.#ownKey(id), bytes, 'NX'], options);
  }

  async *list(options: StoreCallOptions = {}): AsyncGenerator<ChunkId, void, void> {
    const prefix = this.#prefix;
    if (prefix === undefined) throw this.#plainKeysError();
    const pattern = Buffer.concat([escapePattern(prefix), Buffer.from('*')]);
    for (const node of await this.#connection.nodes(options)) {
      let cursor = '0';
      do {
        throwIfAborted(options.signal);
        const args = [cursor, 'MATCH', pattern, 'COUNT', String(SCAN_COUNT)];
        const reply = await node.call('SCAN', args);
        const [next, keys] = Array.isArray(reply) ? reply : [];
        if (!(next instanceof Uint8Array) || !Array.isArray(keys)) {
          throw new G8Error(
            'ERR_PROTOCOL',
            `SCAN at ${this.name} was answered with something else`,
          );
        }
        for (const key of keys) {
          const id = key instanceof Uint8Array ? toHex(key.subarray(prefix.length)) : '';
          if (isChunkId(id)) yield id;
        }
        cursor = Buffer.from(next).toString('latin1');
      } while (cursor !== '0');
    }
  }

  async delete(id: ChunkId, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    await this.#connection.call('DEL', [this.#ownKey(id)], options);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #keysOf(id: ChunkId): Uint8Array[] {
    const keys = this.#prefix === undefined ? [] : [this.#ownKey(id)];
    if (this.#readsPlainKeys) keys.push(id.length === 64 ? Buffer.from(id) : chunkIdBytes(id));
    return keys;
  }

  #ownKey(id: ChunkId): Uint8Array {
    if (this.#prefix === undefined) throw this.#plainKeysError();
    return Buffer.concat([this.#prefix, chunkIdBytes(id)]);
  }

  #plainKeysError(): G8Error {
    return new G8Error('ERR_PERMISSION', `Store ${this.name} has plain keys: it is read-only`);
  }
}

/** A chunk out of a reply, `undefined` when there is none. @throws ERR_CHUNK_CORRUPT, ERR_PROTOCOL */
export function chunkOfReply(reply: RespReply, id: ChunkId, name: string): Uint8Array | undefined {
  if (reply === null) return undefined;
  if (!(reply instanceof Uint8Array)) {
    throw new G8Error('ERR_PROTOCOL', `GET at ${name} was answered with something else`);
  }
  if (reply.length > CHUNK_SIZE_MAX) throw corruptError(id, name, 'is too large');
  return reply.length === 0
    ? undefined
    : new Uint8Array(reply.buffer, reply.byteOffset, reply.length);
}

/** A prefix with what a glob pattern would act on escaped. */
function escapePattern(prefix: Uint8Array): Uint8Array {
  return Buffer.from(
    Buffer.from(prefix)
      .toString('latin1')
      .replace(/[*?[\]\\]/g, '\\$&'),
    'latin1',
  );
}
