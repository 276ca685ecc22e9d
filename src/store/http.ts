/**
 * Chunks over HTTP: from a hub, or from any server or CDN with the static layout.
 *
 * Which of the two it is, the store asks once, beside its first request and not before it. The bytes
 * come as the server gave them: whoever uses them verifies them.
 */
import { raceAbort, throwIfAborted } from '../base/abort.ts';
import { sleep } from '../base/deadline.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { mergeParallel, type Task } from '../base/parallel.ts';
import { assertChunkId } from './chunk-id.ts';
import type { DeliveringStore, OnChunk } from './deliver.ts';
import { getEach, missingEach } from './each.ts';
import { HttpClient, type HttpOptions } from './http-client.ts';
import {
  batchFromHub,
  deliverFromHub,
  getChunk,
  hasChunk,
  hubChunkPath,
  missingAtHub,
  probeHub,
  putToHub,
  refusedError,
  staticChunkPath,
} from './hub-chunks.ts';
import type { ChunkId, ChunkResult, StoreCallOptions, WritableChunkStore } from './store.ts';

// Half the connections: batches and presence checks leave room for reads that somebody waits for.
const CONCURRENCY = 8;
/** Ids of one batch request: 32 MiB of full chunks, so a lost connection costs little. */
const BATCH_COUNT = 64;
const BATCH_CONCURRENCY = 4;
// From here on a batch saves more round trips than waiting for the probe's answer can cost.
const BATCH_COUNT_MIN = 4;
const PROBE_WAIT_MS = 1_000;
// A server that did not answer the probe is asked again, but not for every chunk.
const PROBE_AGAIN_MS = 10_000;

type Kind = 'hub' | 'static';

export class HttpStore implements WritableChunkStore, DeliveringStore {
  readonly name: string;
  readonly #client: HttpClient;
  readonly #ownsClient: boolean;
  #kind: Kind | undefined;
  #probe: Promise<Kind | undefined> | undefined;
  #probedAt = Number.NEGATIVE_INFINITY;
  #flatFirst = false;
  readonly #closing = new AbortController();

  /** @throws ERR_CONFIG when the URL is not http or https */
  constructor(base: string | HttpClient, options: HttpOptions = {}) {
    this.#ownsClient = typeof base === 'string';
    this.#client = typeof base === 'string' ? new HttpClient(base, options) : base;
    this.name = this.#client.name;
  }

  get takesBatches(): boolean {
    return this.#kind === 'hub';
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    assertChunkId(id);
    if (this.#kind === 'hub') return await getChunk(this.#client, id, hubChunkPath(id), options);
    const probe = this.#kindOf(options.signal);
    // Whoever finds the chunk at once does not look at it.
    probe.catch(() => {});
    const paths = [staticChunkPath(id), `/${id}`];
    if (this.#flatFirst) paths.reverse();
    try {
      return await getChunk(this.#client, id, paths[0] as string, options);
    } catch (error) {
      if (!isG8Error(error, 'ERR_CHUNK_MISSING')) throw error;
    }
    // A hub need not show its chunks at the root: its own path has the last word.
    if ((await probe) === 'hub') {
      return await getChunk(this.#client, id, hubChunkPath(id), options);
    }
    const bytes = await getChunk(this.#client, id, paths[1] as string, options);
    this.#flatFirst = !this.#flatFirst;
    return bytes;
  }

  async *getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    ids.forEach(assertChunkId);
    throwIfAborted(options.signal);
    const distinct = [...new Set(ids)];
    if (await this.#takesBatch(distinct.length)) {
      yield* this.#getBatches(distinct, options);
    } else {
      yield* getEach(distinct, CONCURRENCY, options, (id, inner) => this.get(id, inner));
    }
  }

  async deliver(
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<void> {
    if (ids.length > BATCH_COUNT || !(await this.#takesBatch(ids.length))) {
      for await (const result of this.getMany(ids, options)) onChunk(result);
      return;
    }
    ids.forEach(assertChunkId);
    throwIfAborted(options.signal);
    const owed = new Set(ids);
    let failure: unknown;
    try {
      await deliverFromHub(this.#client, [...owed], options, (result) => {
        owed.delete(result.id);
        onChunk(result);
      });
    } catch (error) {
      throwIfAborted(options.signal);
      failure = error;
    }
    for (const id of owed) onChunk({ id, error: failure ?? refusedError(this.#client, id) });
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    ids.forEach(assertChunkId);
    throwIfAborted(options.signal);
    const distinct = [...new Set(ids)];
    if (distinct.length === 0) return [];
    if ((await this.#kindOf(options.signal)) === 'hub') {
      return await missingAtHub(this.#client, distinct, options);
    }
    return await missingEach(
      distinct,
      CONCURRENCY,
      options,
      async (id, inner) =>
        (await hasChunk(this.#client, staticChunkPath(id), inner)) ||
        (await hasChunk(this.#client, `/${id}`, inner)),
    );
  }

  /**
   * @throws ERR_PERMISSION when the server is no hub, and so takes no chunks; ERR_CHUNK_CORRUPT when
   *   the hub finds that bytes and id differ
   */
  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    assertChunkId(id);
    throwIfAborted(options.signal);
    if ((await this.#kindOf(options.signal)) === 'static') {
      throw new G8Error('ERR_PERMISSION', `Store ${this.name} is read-only: it is no hub`);
    }
    await putToHub(this.#client, { id, bytes }, options);
  }

  async close(): Promise<void> {
    this.#closing.abort(new G8Error('ERR_ABORTED', `Store ${this.name} was closed`));
    await this.#probe;
    if (this.#ownsClient) await this.#client.close();
  }

  async *#getBatches(
    ids: readonly ChunkId[],
    options: StoreCallOptions,
  ): AsyncGenerator<ChunkResult, void, void> {
    const tasks: Task<ChunkResult>[] = [];
    for (let start = 0; start < ids.length; start += BATCH_COUNT) {
      const group = ids.slice(start, start + BATCH_COUNT);
      tasks.push((signal) => this.#getBatch(group, options, signal));
    }
    yield* mergeParallel(tasks, { concurrency: BATCH_CONCURRENCY, signal: options.signal });
  }

  // Whatever ends a batch early becomes the result of the ids that it still owed.
  async *#getBatch(
    group: readonly ChunkId[],
    options: StoreCallOptions,
    signal: AbortSignal,
  ): AsyncGenerator<ChunkResult, void, void> {
    const owed = new Set(group);
    let failure: unknown;
    try {
      for await (const result of batchFromHub(this.#client, group, { signal })) {
        owed.delete(result.id);
        yield result;
      }
    } catch (error) {
      throwIfAborted(options.signal);
      failure = error;
    }
    for (const id of owed) yield { id, error: failure ?? refusedError(this.#client, id) };
  }

  async #takesBatch(count: number): Promise<boolean> {
    // Two requests cost more than one, once it is known that it can be one.
    const countMin = this.#kind === 'hub' ? 2 : BATCH_COUNT_MIN;
    return count >= countMin && (await this.#kindSoon()) === 'hub';
  }

  /** The kind if it is known within the time a batch may wait for it. */
  async #kindSoon(): Promise<Kind | undefined> {
    const done = new AbortController();
    const late = sleep(PROBE_WAIT_MS, done.signal).then(
      () => undefined,
      () => undefined,
    );
    const kind = await Promise.race([this.#startProbe(), late]);
    done.abort();
    return kind;
  }

  /** The kind, unless its caller gives up first. */
  #kindOf(signal: AbortSignal | undefined): Promise<Kind | undefined> {
    const kind = this.#startProbe();
    return signal === undefined ? kind : raceAbort(kind, signal);
  }

  /** Never rejects; `undefined` when the server did not answer. */
  #startProbe(): Promise<Kind | undefined> {
    if (this.#kind !== undefined) return Promise.resolve(this.#kind);
    const now = performance.now();
    if (this.#probe === undefined || now - this.#probedAt > PROBE_AGAIN_MS) {
      this.#probedAt = now;
      this.#probe = probeHub(this.#client, { signal: this.#closing.signal }).then(
        (info) => {
          this.#kind = info === undefined ? 'static' : 'hub';
          return this.#kind;
        },
        () => undefined, // The request beside the probe tells what is wrong.
      );
    }
    return this.#probe;
  }
}
