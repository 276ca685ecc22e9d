/** A store that fails on purpose: the calls that a plan names fail, wait, or give broken bytes. */

import { abortError } from '../../src/base/abort.ts';
import { blake2b } from '../../src/base/blake2b.ts';
import { toHex } from '../../src/base/bytes.ts';
import { G8Error } from '../../src/base/errors.ts';
import { deliver } from '../../src/store/deliver.ts';
import { getEach } from '../../src/store/each.ts';
import type {
  ChunkId,
  ChunkResult,
  ChunkStore,
  StoreCallOptions,
  WritableChunkStore,
} from '../../src/store/store.ts';

/** What happens to one call. */
export type Fault =
  | { readonly kind: 'fail'; readonly error: unknown }
  /** Waits until this resolves, then goes on. */
  | { readonly kind: 'delay'; readonly until: Promise<void> }
  | { readonly kind: 'truncate' }
  /** Inverts the first bit of what is read. */
  | { readonly kind: 'flip' }
  /** Never ends, but for the caller's signal. */
  | { readonly kind: 'hang' };

/** The fault of call number `call` (from 1), `undefined` when it goes well. */
export type FaultPlan = (call: number, id: ChunkId) => Fault | undefined;

export function unavailable(message = 'Store is down'): G8Error {
  return new G8Error('ERR_STORE_UNAVAILABLE', message);
}

/** Fails the first `count` calls. */
export function failFirst(count: number, error: unknown = unavailable()): FaultPlan {
  return (call) => (call <= count ? { kind: 'fail', error } : undefined);
}

export class FaultyStore implements WritableChunkStore {
  readonly name: string;
  /** Calls of `get`, `put` and `missing` so far, chunks of `getMany` included. */
  calls = 0;
  closed = false;
  readonly #store: WritableChunkStore;
  readonly #plan: FaultPlan;

  constructor(store: WritableChunkStore, plan: FaultPlan = () => undefined) {
    this.name = store.name;
    this.#store = store;
    this.#plan = plan;
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    const fault = await this.#suffer(id, options);
    const bytes = await this.#store.get(id, options);
    if (fault?.kind === 'truncate') return bytes.subarray(0, bytes.length >> 1);
    if (fault?.kind === 'flip') bytes[0] = (bytes[0] as number) ^ 0x80;
    return bytes;
  }

  getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult, void, void> {
    return getEach(ids, 2, options, (id, inner) => this.get(id, inner));
  }

  async missing(ids: readonly ChunkId[], options: StoreCallOptions = {}): Promise<ChunkId[]> {
    await this.#suffer(ids[0] ?? '', options);
    return await this.#store.missing(ids, options);
  }

  async put(id: ChunkId, bytes: Uint8Array, options: StoreCallOptions = {}): Promise<void> {
    await this.#suffer(id, options);
    await this.#store.put(id, bytes, options);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.#store.close();
  }

  async #suffer(id: ChunkId, options: StoreCallOptions): Promise<Fault | undefined> {
    const fault = this.#plan(++this.calls, id);
    if (fault?.kind === 'fail') throw fault.error;
    if (fault?.kind === 'delay') await fault.until;
    if (fault?.kind === 'hang') await untilAborted(options.signal);
    return fault;
  }
}

/** Rejects when the signal aborts; without one it never ends. */
async function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_resolve, reject) => {
    if (signal?.aborted) reject(abortError(signal));
    signal?.addEventListener('abort', () => reject(abortError(signal)), { once: true });
  });
}

/** A chunk with its true id, different for each text. */
export function chunkOf(text: string, length: 16 | 32 = 32): { id: ChunkId; bytes: Uint8Array } {
  const bytes = new Uint8Array(Buffer.from(text, 'utf8'));
  return { id: toHex(blake2b(bytes, length)), bytes };
}

/** Both ways to many chunks, with one result. */
export const WAYS: readonly (readonly [
  name: string,
  get: (
    store: ChunkStore,
    ids: readonly ChunkId[],
    options?: StoreCallOptions,
  ) => Promise<Map<ChunkId, Uint8Array | { error: unknown }>>,
])[] = [
  ['getMany()', (store, ids, options) => collect(store.getMany(ids, options))],
  [
    'deliver()',
    async (store, ids, options = {}) => {
      const results: ChunkResult[] = [];
      await deliver(store, ids, options, (result) => results.push(result));
      async function* all() {
        yield* results;
      }
      return await collect(all());
    },
  ],
];

/** All results of `getMany`, by id. */
export async function collect(
  results: AsyncIterable<ChunkResult>,
): Promise<Map<ChunkId, Uint8Array | { error: unknown }>> {
  const collected = new Map<ChunkId, Uint8Array | { error: unknown }>();
  for await (const result of results) {
    if (collected.has(result.id)) throw new Error(`Chunk ${result.id} came twice`);
    collected.set(result.id, 'error' in result ? { error: result.error } : result.bytes);
  }
  return collected;
}
