/** What every chunk store promises (src/store/store.ts), as tests that each backend and wrapper runs. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { G8Error, isG8Error } from '../../src/base/errors.ts';
import {
  CHUNK_SIZE_MAX,
  type ChunkStore,
  type PrunableChunkStore,
  type WritableChunkStore,
} from '../../src/store/store.ts';
import { chunkOf, collect, WAYS } from '../support/faulty-store.ts';

export interface StoreUnderTest {
  /** Reads what is put into `source`. */
  readonly store: ChunkStore;
  /** Fills the store: the store itself, or what lies behind one that cannot be written. */
  readonly source: WritableChunkStore;
}

/** Makes a store with no chunks in it; what it opens, `t.after` closes. */
export type StoreFactory = (t: TestContext) => Promise<StoreUnderTest>;

const TIMEOUT_MS = 20_000;

export function storeContract(name: string, factory: StoreFactory): void {
  describe(`${name} as a store`, { timeout: TIMEOUT_MS }, () => {
    readContract(factory);
    batchContract(factory);
    abortContract(factory);
  });
}

function readContract(factory: StoreFactory): void {
  test('get() gives the bytes that were put', async (t) => {
    const { store, source } = await factory(t);
    for (const length of [16, 32] as const) {
      const { id, bytes } = chunkOf('one', length);
      await source.put(id, bytes);
      assert.deepEqual(Buffer.from(await store.get(id)), Buffer.from(bytes));
    }
  });

  test('get() of a chunk of the largest size', async (t) => {
    const { store, source } = await factory(t);
    const { id, bytes } = chunkOf('x'.repeat(CHUNK_SIZE_MAX));
    await source.put(id, bytes);
    assert(Buffer.from(bytes).equals(await store.get(id)));
  });

  test('get() rejects with ERR_CHUNK_MISSING and the id', async (t) => {
    const { store } = await factory(t);
    const { id } = chunkOf('absent');
    await assert.rejects(store.get(id), (error) => {
      assert(isG8Error(error, 'ERR_CHUNK_MISSING'));
      assert.equal(error.details['id'], id);
      return true;
    });
  });

  test('missing() tells absent ids from present ones', async (t) => {
    const { store, source } = await factory(t);
    const present = chunkOf('present');
    const absent = chunkOf('absent', 16);
    await source.put(present.id, present.bytes);
    assert.deepEqual(await store.missing([present.id, absent.id]), [absent.id]);
    assert.deepEqual(await store.missing([]), []);
  });

  test('put() of a chunk that is there already succeeds', async (t) => {
    const { store, source } = await factory(t);
    const { id, bytes } = chunkOf('twice');
    await Promise.all([source.put(id, bytes), source.put(id, bytes)]);
    await source.put(id, bytes);
    assert.deepEqual(Buffer.from(await store.get(id)), Buffer.from(bytes));
  });

  test('a caller that changes what it got does not change the store', async (t) => {
    const { store, source } = await factory(t);
    const { id, bytes } = chunkOf('mine');
    await source.put(id, bytes);
    (await store.get(id)).fill(0);
    assert.deepEqual(Buffer.from(await store.get(id)), Buffer.from(bytes));
  });

  test('close() may be called twice', async (t) => {
    const { store } = await factory(t);
    await store.close();
    await store.close();
  });
}

function batchContract(factory: StoreFactory): void {
  for (const [way, get] of WAYS) {
    test(`${way} gives one item per distinct id, errors included`, async (t) => {
      const { store, source } = await factory(t);
      const chunks = Array.from({ length: 70 }, (_, i) => chunkOf(`chunk ${i}`, i % 2 ? 16 : 32));
      const absent = chunkOf('absent');
      for (const { id, bytes } of chunks) await source.put(id, bytes);
      const ids = [...chunks.map((chunk) => chunk.id), absent.id];
      const results = await get(store, [...ids, ...ids.slice(0, 3)]);
      assert.deepEqual([...results.keys()].sort(), [...ids].sort());
      for (const { id, bytes } of chunks) {
        assert.deepEqual(Buffer.from(results.get(id) as Uint8Array), Buffer.from(bytes));
      }
      const { error } = results.get(absent.id) as { error: unknown };
      assert(isG8Error(error, 'ERR_CHUNK_MISSING'));
    });
  }

  test('getMany() of nothing ends at once', async (t) => {
    const { store } = await factory(t);
    assert.equal((await collect(store.getMany([]))).size, 0);
  });

  test('getMany() may be left early, and the store still serves', async (t) => {
    const { store, source } = await factory(t);
    const chunks = Array.from({ length: 20 }, (_, i) => chunkOf(`chunk ${i}`));
    for (const { id, bytes } of chunks) await source.put(id, bytes);
    for await (const result of store.getMany(chunks.map((chunk) => chunk.id))) {
      assert('bytes' in result);
      break;
    }
    const last = chunks[19] as { id: string; bytes: Uint8Array };
    assert.deepEqual(Buffer.from(await store.get(last.id)), Buffer.from(last.bytes));
  });
}

function abortContract(factory: StoreFactory): void {
  test('a call with an aborted signal rejects with ERR_ABORTED', async (t) => {
    const { store, source } = await factory(t);
    const { id, bytes } = chunkOf('one');
    await source.put(id, bytes);
    const signal = AbortSignal.abort();
    const isAborted = (error: unknown) => isG8Error(error, 'ERR_ABORTED');
    await assert.rejects(store.get(id, { signal }), isAborted);
    await assert.rejects(store.missing([id], { signal }), isAborted);
    for (const [, get] of WAYS) await assert.rejects(get(store, [id], { signal }), isAborted);
    if ('put' in store) {
      await assert.rejects((store as WritableChunkStore).put(id, bytes, { signal }), isAborted);
    }
  });

  test("a call rejects with its signal's own G8Error", async (t) => {
    const { store } = await factory(t);
    const reason = new G8Error('ERR_TIMEOUT', 'Reader gave up');
    await assert.rejects(store.get(chunkOf('x').id, { signal: AbortSignal.abort(reason) }), reason);
  });
}

/** What a store promises besides whose chunks can be listed and deleted; `factory` makes an empty one. */
export function prunableContract(
  name: string,
  factory: (t: TestContext) => Promise<PrunableChunkStore>,
): void {
  describe(`${name} as a prunable store`, { timeout: TIMEOUT_MS }, () => {
    test('list() gives each chunk, delete() removes one', async (t) => {
      const store = await factory(t);
      assert.deepEqual(await idsOf(store), []);
      const chunks = Array.from({ length: 23 }, (_, i) => chunkOf(`chunk ${i}`, i % 2 ? 16 : 32));
      for (const { id, bytes } of chunks) await store.put(id, bytes);
      assert.deepEqual(await idsOf(store), chunks.map(({ id }) => id).sort());
      const [gone, ...rest] = chunks.map(({ id }) => id) as [string, ...string[]];
      await store.delete(gone);
      assert.deepEqual(await store.missing([gone]), [gone]);
      assert.deepEqual(await idsOf(store), rest.sort());
    });

    test('delete() of an absent chunk succeeds, and it can be put again', async (t) => {
      const store = await factory(t);
      const { id, bytes } = chunkOf('one');
      await store.delete(id);
      await store.put(id, bytes);
      await store.delete(id);
      await store.put(id, bytes);
      assert.deepEqual(Buffer.from(await store.get(id)), Buffer.from(bytes));
    });

    test('list() and delete() with an aborted signal reject with ERR_ABORTED', async (t) => {
      const store = await factory(t);
      const { id, bytes } = chunkOf('one');
      await store.put(id, bytes);
      const signal = AbortSignal.abort();
      const isAborted = (error: unknown) => isG8Error(error, 'ERR_ABORTED');
      await assert.rejects(store.delete(id, { signal }), isAborted);
      await assert.rejects(store.list({ signal })[Symbol.asyncIterator]().next(), isAborted);
      assert.deepEqual(await store.missing([id]), []);
    });
  });
}

async function idsOf(store: PrunableChunkStore): Promise<string[]> {
  const ids = new Set<string>();
  for await (const id of store.list()) ids.add(id);
  return [...ids].sort();
}
