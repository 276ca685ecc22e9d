import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import { ALL_IDS } from '../../../src/store/id-range.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { RouteStore } from '../../../src/store/route.ts';
import { withVerify } from '../../../src/store/verify.ts';
import { chunkOf, collect, type Fault, FaultyStore } from '../../support/faulty-store.ts';

const CHUNK = chunkOf('chunk');

async function faulty(kind: 'flip' | 'truncate'): Promise<FaultyStore> {
  const store = new MemoryStore();
  await store.put(CHUNK.id, CHUNK.bytes);
  return new FaultyStore(store, (): Fault => ({ kind }));
}

for (const kind of ['flip', 'truncate'] as const) {
  test(`get() notices bytes with the fault ${kind}`, async () => {
    await assert.rejects(withVerify(await faulty(kind), blake2b).get(CHUNK.id), (error) => {
      assert(isG8Error(error, 'ERR_CHUNK_CORRUPT'));
      assert.equal(error.details['id'], CHUNK.id);
      return true;
    });
  });
}

test('getMany() makes a corrupt chunk an error and goes on', async () => {
  const other = chunkOf('other');
  const inner = new MemoryStore();
  for (const { id, bytes } of [CHUNK, other]) await inner.put(id, bytes);
  const store = new FaultyStore(inner, (_call, id) =>
    id === CHUNK.id ? { kind: 'flip' } : undefined,
  );
  const results = await collect(withVerify(store, blake2b).getMany([CHUNK.id, other.id]));
  assert(isG8Error((results.get(CHUNK.id) as { error: unknown }).error, 'ERR_CHUNK_CORRUPT'));
  assert(results.get(other.id) instanceof Uint8Array);
});

test('a route takes the next destination when the first is corrupt', async () => {
  const good = new MemoryStore('good');
  await good.put(CHUNK.id, CHUNK.bytes);
  const stores = [withVerify(await faulty('flip'), blake2b), withVerify(good, blake2b)];
  const route = new RouteStore({
    lookup: stores.map((store, i) => ({
      name: String(i),
      cache: false,
      routes: [{ range: ALL_IDS, store }],
    })),
  });
  assert.deepEqual(Buffer.from(await route.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
});
