/**
 * Chunks in a bucket of an S3 server: one object per chunk, `<prefix><id>`, addressed by path.
 *
 * Bodies are sent with their SHA-256, so that the server refuses what was damaged on the way.
 */
import { throwIfAborted } from '../base/abort.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { assertChunkId, isChunkId, missingError } from './chunk-id.ts';
import { getEach, missingEach } from './each.ts';
import { type HttpResponse, readBody } from './http-answer.ts';
import { HttpClient, type HttpOptions } from './http-client.ts';
import { parseErrorCode, parseListing, type S3Request, s3Headers, s3Path } from './s3-request.ts';
import { parseS3Target, type S3Target } from './s3-target.ts';
import {
  CHUNK_SIZE_MAX,
  type ChunkId,
  type ChunkResult,
  type PrunableChunkStore,
  type StoreCallOptions,
} from './store.ts';

export interface S3Options {
  /** Connections and deadlines; its token is not used. */
  readonly http?: HttpOptions | undefined;
  /** Has the keys when the URL has none; default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
}

// Of 16 connections: batches leave some for reads that somebody waits for.
const CONCURRENCY = 12;
const PAGE_COUNT = 1000;
// A page has a thousand entries of a few hundred bytes each.
const PAGE_SIZE_MAX = 4 * 1024 * 1024;
const FAILURE_SIZE_MAX = 64 * 1024;

export class S3Store implements PrunableChunkStore {
  readonly name: string;
  readonly #target: S3Target;
  readonly #client: HttpClient;

  /** @throws ERR_CONFIG */
  constructor(url: string, options: S3Options = {}) {
    this.#target = parseS3Target(url, options.env ?? process.env);
    this.name = this.#target.name;
    this.#client = new HttpClient(this.#target.endpoint, {
      ...options.http,
      token: undefined,
      failureText,
    });
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    assertChunkId(id);
    const bytes = await this.#request('GET', this.#keyOf(id), options, async (response) => {
      if (response.status !== 404) return await readBody(response, CHUNK_SIZE_MAX, `Chunk ${id}`);
      this.#assertBucket(await failureText(response));
      return undefined;
    });
    if (bytes === undefined || bytes.length === 0) throw missingError(id, this.name);
    return bytes;
  }

  getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    return getEach(ids, CONCURRENCY, options, (id, inner) => this.get(id, inner));
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    ids.forEach(assertChunkId);
    throwIfAborted(options.signal);
    const missing = await missingEach(ids, CONCURRENCY, options, (id, inner) =>
      this.#request('HEAD', this.#keyOf(id), inner, async (response) => response.status !== 404),
    );
    // An answer to HEAD does not say whether it is the object or the whole bucket that is not there.
    if (missing.length > 0) {
      await this.#request('HEAD', '', options, async (response) => {
        if (response.status === 404) this.#assertBucket('NoSuchBucket');
      });
    }
    return missing;
  }

  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    if (bytes.length > CHUNK_SIZE_MAX) throw new RangeError(`Chunk ${id} is above the size bound`);
    await this.#request(
      'PUT',
      this.#keyOf(id),
      options,
      async (response) => {
        if (response.status === 404) this.#assertBucket('NoSuchBucket');
      },
      bytes,
    );
  }

  async *list(options: StoreCallOptions = {}): AsyncGenerator<ChunkId, void, void> {
    const { prefix } = this.#target;
    let next: string | undefined;
    do {
      throwIfAborted(options.signal);
      const query = {
        'list-type': '2',
        'max-keys': String(PAGE_COUNT),
        ...(prefix !== '' && { prefix }),
        ...(next !== undefined && { 'continuation-token': next }),
      };
      const page = await this.#request(
        'GET',
        '',
        options,
        async (response) => {
          if (response.status === 404) this.#assertBucket('NoSuchBucket');
          const what = `Listing of ${this.name}`;
          return await parseListing(await readBody(response, PAGE_SIZE_MAX, what), this.name);
        },
        undefined,
        query,
      );
      for (const key of page.keys) {
        const id = key.slice(prefix.length);
        if (key.startsWith(prefix) && isChunkId(id)) yield id;
      }
      next = page.next;
    } while (next !== undefined);
  }

  async delete(id: ChunkId, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    await this.#request('DELETE', this.#keyOf(id), options, async () => {});
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #keyOf(id: ChunkId): string {
    return `${this.#target.prefix}${id}`;
  }

  async #request<T>(
    method: S3Request['method'],
    key: string,
    { signal }: StoreCallOptions,
    read: (response: HttpResponse) => Promise<T>,
    body?: Uint8Array,
    query: Record<string, string> = {},
  ): Promise<T> {
    throwIfAborted(signal);
    const path = s3Path(this.#target, key, query);
    const content = body === undefined ? {} : { body };
    const headers = await s3Headers(this.#target, { method, path, ...content });
    try {
      return await this.#client.request(
        { method, path, headers, signal, accept: [404], ...content },
        read,
      );
    } catch (error) {
      throw noRoom(error) ?? error;
    }
  }

  // A bucket that is not there has not answered that it lacks a chunk.
  #assertBucket(code: string): void {
    if (code !== 'NoSuchBucket') return;
    throw new G8Error('ERR_STORE_UNAVAILABLE', `Store ${this.name} has no such bucket`);
  }
}

async function failureText(response: HttpResponse): Promise<string> {
  try {
    return await parseErrorCode(await readBody(response, FAILURE_SIZE_MAX, 'Failure'));
  } catch {
    return ''; // The status alone says enough.
  }
}

function noRoom(error: unknown): G8Error | undefined {
  if (!isG8Error(error) || ![413, 507].includes(Number(error.details['status']))) return undefined;
  return new G8Error('ERR_CACHE_FULL', error.message, { cause: error, details: error.details });
}
