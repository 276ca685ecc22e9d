import assert from 'node:assert/strict';
import { test } from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { HealthTable } from '../../../src/store/health.ts';
import { ALL_IDS, isInRange } from '../../../src/store/id-range.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { withRetry } from '../../../src/store/retry.ts';
import { type Pool, RouteStore } from '../../../src/store/route.ts';
import type { ChunkStore } from '../../../src/store/store.ts';
import { chunkOf, collect, FaultyStore, unavailable, WAYS } from '../../support/faulty-store.ts';

const CHUNK = chunkOf('chunk');

/** Stores with the chunk in those whose name ends in `+`. */
async function memory(name: string): Promise<FaultyStore> {
  const store = new MemoryStore(name);
  if (name.endsWith('+')) await store.put(CHUNK.id, CHUNK.bytes);
  return new FaultyStore(store);
}

function failing(name: string, error: unknown): FaultyStore {
  return new FaultyStore(new MemoryStore(name), () => ({ kind: 'fail', error }));
}

function pool(name: string, stores: readonly ChunkStore[], cache = false): Pool {
  return { name, cache, routes: stores.map((store) => ({ range: ALL_IDS, store })) };
}

test('isInRange() compares digit by digit', () => {
  const id = `123${'0'.repeat(61)}`;
  assert.equal(isInRange(id, { first: '123', last: '123' }), true, 'an odd number of digits');
  assert.equal(isInRange(id, { first: '000', last: 'fff' }), true);
  assert.equal(isInRange(id, { first: '124', last: 'fff' }), false);
  assert.equal(isInRange(id, { first: '000', last: '122' }), false);
  assert.equal(isInRange(id, { first: 'f', last: '0' }), false, 'a reversed range');
});

test('isInRange() has ends that belong to it', () => {
  const range = { first: '000', last: 'fff' };
  assert.equal(isInRange('f'.repeat(64), range), true);
  assert.equal(isInRange('0'.repeat(64), range), true);
});

test('isInRange() holds no id that is shorter than its ends', () => {
  const range = { first: '0'.repeat(33), last: 'f'.repeat(33) };
  assert.equal(isInRange('a'.repeat(32), range), false);
});

test('get() asks only destinations whose range has the id', async () => {
  const low = await memory('low+');
  const high = await memory('high+');
  const routes = [
    { range: { first: '0', last: '7' }, store: low },
    { range: { first: '8', last: 'f' }, store: high },
  ];
  const route = new RouteStore({ lookup: [{ name: 'p', cache: false, routes }] });
  await route.get(CHUNK.id);
  const isLow = CHUNK.id < '8';
  assert.deepEqual([low.calls, high.calls], isLow ? [1, 0] : [0, 1]);
});

test('get() asks pools in lookup order', async () => {
  const first = await memory('first+');
  const second = await memory('second+');
  await new RouteStore({ lookup: [pool('0', [first]), pool('1', [second])] }).get(CHUNK.id);
  assert.deepEqual([first.calls, second.calls], [1, 0]);
});

test('RouteStore tells which store is asked for which chunks', async () => {
  const asked: [string, readonly string[]][] = [];
  const onAsk = (store: string, ids: readonly string[]) => void asked.push([store, ids]);
  const lookup = [pool('0', [failing('down', unavailable())]), pool('1', [await memory('up+')])];
  const expected = [
    ['down', [CHUNK.id]],
    ['up+', [CHUNK.id]],
  ];
  await withRetry(new RouteStore({ lookup })).get(CHUNK.id, { onAsk });
  assert.deepEqual(asked.splice(0), expected);
  await collect(withRetry(new RouteStore({ lookup })).getMany([CHUNK.id], { onAsk }));
  assert.deepEqual(asked, expected);
});

test('get() tries every destination of a pool, then the next pool', async () => {
  const empty = [await memory('a'), await memory('b'), failing('c', unavailable())];
  const last = await memory('last+');
  const route = new RouteStore({ lookup: [pool('0', empty), pool('1', [last])] });
  assert.deepEqual(Buffer.from(await route.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
  assert.deepEqual(
    [...empty, last].map((store) => store.calls),
    [1, 1, 1, 1],
  );
});

test("get() tries a pool's destinations in random order", async () => {
  const stores = [await memory('a+'), await memory('b+')];
  let roll = 0;
  const route = new RouteStore({ lookup: [pool('0', stores)], random: () => roll });
  await route.get(CHUNK.id);
  roll = 0.99;
  await route.get(CHUNK.id);
  assert.deepEqual(
    stores.map((store) => store.calls),
    [1, 1],
  );
});

test('get() asks a destination that failed lately after all others', async () => {
  let now = 0;
  const flaky = new FaultyStore(new MemoryStore('flaky'), (call) =>
    call === 1 ? { kind: 'fail', error: unavailable() } : undefined,
  );
  await flaky.put(CHUNK.id, CHUNK.bytes).catch(() => {});
  const good = await memory('good+');
  const lookup = [pool('0', [flaky]), pool('1', [good])];
  const route = new RouteStore({ lookup, health: new HealthTable(() => now) });
  flaky.calls = 0;
  await route.get(CHUNK.id);
  await route.get(CHUNK.id);
  assert.deepEqual([flaky.calls, good.calls], [1, 2]);
  now = 60_000;
  await route.get(CHUNK.id);
  assert.equal(flaky.calls, 2, 'it is asked again after a while');
});

test('get() is missing only if everyone answered so', async () => {
  const lookup = [pool('0', [await memory('a'), await memory('b')])];
  await assert.rejects(new RouteStore({ lookup }).get(CHUNK.id), (error) => {
    assert(isG8Error(error, 'ERR_CHUNK_MISSING'));
    assert.equal(error.message, `Chunk ${CHUNK.id} is in none of a, b`);
    return true;
  });
});

test('get() without any destination is missing', async () => {
  await assert.rejects(new RouteStore({ lookup: [] }).get(CHUNK.id), (error) =>
    isG8Error(error, 'ERR_CHUNK_MISSING'),
  );
});

const ERRORS = {
  unavailable: new G8Error('ERR_STORE_UNAVAILABLE', 'Down', { details: { retryAfterMs: 5 } }),
  permission: new G8Error('ERR_PERMISSION', 'Not allowed'),
  config: new G8Error('ERR_CONFIG', 'Not supported'),
  corrupt: new G8Error('ERR_CHUNK_CORRUPT', 'Corrupt'),
  missing: new G8Error('ERR_CHUNK_MISSING', 'Missing'),
};

const PREFERRED: readonly [(keyof typeof ERRORS)[], keyof typeof ERRORS][] = [
  [['missing', 'unavailable'], 'unavailable'],
  [['permission', 'unavailable', 'config'], 'unavailable'],
  [['missing', 'config'], 'config'],
  [['corrupt', 'config', 'missing'], 'corrupt'],
  [['corrupt', 'permission'], 'permission'],
];

for (const [given, expected] of PREFERRED) {
  test(`get() reports ${expected} out of ${given.join(', ')}`, async () => {
    const lookup = given.map((key) => pool(key, [failing(key, ERRORS[key])]));
    await assert.rejects(new RouteStore({ lookup }).get(CHUNK.id), (error) => {
      assert(isG8Error(error, ERRORS[expected].code));
      assert((error.cause as AggregateError).errors.length === given.length);
      assert.equal(error.details['retryAfterMs'], ERRORS[expected].details['retryAfterMs']);
      return true;
    });
  });
}

test('get() never hides a bug behind a failure of the network', async () => {
  const lookup = [pool('0', [failing('a', unavailable()), failing('b', new RangeError('bug'))])];
  await assert.rejects(new RouteStore({ lookup }).get(CHUNK.id), RangeError);
});

test('get() stops at once when its caller aborts', async () => {
  const controller = new AbortController();
  const hanging = new FaultyStore(new MemoryStore('hanging'), () => ({ kind: 'hang' }));
  const next = await memory('next+');
  const route = new RouteStore({ lookup: [pool('0', [hanging]), pool('1', [next])] });
  const getting = route.get(CHUNK.id, { signal: controller.signal });
  controller.abort();
  await assert.rejects(getting, (error) => isG8Error(error, 'ERR_ABORTED'));
  assert.equal(next.calls, 0);
});

for (const [way, get] of WAYS) {
  test(`${way} finds each chunk wherever it is`, async () => {
    const stores = [new MemoryStore('a'), new MemoryStore('b'), new MemoryStore('c')];
    const chunks = Array.from({ length: 30 }, (_, i) => chunkOf(`chunk ${i}`));
    for (const [i, { id, bytes }] of chunks.entries()) await stores[i % 3]?.put(id, bytes);
    const lookup = [
      pool('0', [stores[0] as ChunkStore, failing('down', unavailable())]),
      pool('1', [stores[1] as ChunkStore, stores[2] as ChunkStore]),
    ];
    const results = await get(
      new RouteStore({ lookup }),
      chunks.map(({ id }) => id),
    );
    for (const { id, bytes } of chunks) {
      assert.deepEqual(Buffer.from(results.get(id) as Uint8Array), Buffer.from(bytes));
    }
  });
}

for (const [way, get] of WAYS) {
  test(`${way} reports the most informative error of a chunk`, async () => {
    const lookup = [pool('0', [await memory('a')]), pool('1', [failing('b', ERRORS.unavailable)])];
    const results = await get(new RouteStore({ lookup }), [CHUNK.id]);
    const { error } = results.get(CHUNK.id) as { error: unknown };
    assert(isG8Error(error, 'ERR_STORE_UNAVAILABLE'));
  });
}

test('missing() is what no store has', async () => {
  const other = chunkOf('other');
  const lookup = [pool('0', [await memory('a')]), pool('1', [await memory('b+')])];
  const route = new RouteStore({ lookup });
  assert.deepEqual(await route.missing([CHUNK.id, other.id]), [other.id]);
});

test('missing() does not call missing what a failing store may have', async () => {
  const lookup = [pool('0', [failing('a', unavailable())]), pool('1', [await memory('b')])];
  await assert.rejects(new RouteStore({ lookup }).missing([CHUNK.id]), (error) =>
    isG8Error(error, 'ERR_STORE_UNAVAILABLE'),
  );
});

test('missing() needs no failing store when another has the chunk', async () => {
  const lookup = [pool('0', [failing('a', unavailable())]), pool('1', [await memory('b+')])];
  assert.deepEqual(await new RouteStore({ lookup }).missing([CHUNK.id]), []);
});

test('a chunk of another pool is written back to the cache pools', async () => {
  const cached = new MemoryStore('cached');
  const cache = pool('cache', [cached], true);
  const route = new RouteStore({
    lookup: [cache, pool('1', [await memory('far+')])],
    cache: [cache],
  });
  await route.get(CHUNK.id);
  await route.settled();
  assert.deepEqual(await cached.missing([CHUNK.id]), []);
});

test('a chunk of a cache pool is not written back', async () => {
  const near = await memory('near+');
  const other = await memory('other');
  const cache = pool('cache', [near], true);
  const second = pool('second', [other], true);
  const route = new RouteStore({ lookup: [cache], cache: [cache, second] });
  await route.get(CHUNK.id);
  await route.settled();
  assert.equal(other.calls, 0);
});

test('a corrupt chunk is not written back', async () => {
  const source = new MemoryStore('far');
  await source.put(CHUNK.id, CHUNK.bytes);
  const far = new FaultyStore(source, () => ({ kind: 'flip' }));
  const cached = new MemoryStore('cached');
  const cache = pool('cache', [cached], true);
  const route = new RouteStore({ lookup: [pool('0', [far])], cache: [cache] });
  await route.get(CHUNK.id);
  await route.settled();
  assert.deepEqual(await cached.missing([CHUNK.id]), [CHUNK.id]);
});

test('a reader does not notice that writing back fails', async () => {
  const cache = pool('cache', [failing('broken', new G8Error('ERR_IO', 'Broken'))], true);
  const route = new RouteStore({ lookup: [pool('0', [await memory('a+')])], cache: [cache] });
  await route.get(CHUNK.id);
  await route.close();
});

test('a chunk that finds the write-back queue full is dropped', async () => {
  let release = () => {};
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = new FaultyStore(new MemoryStore('slow'), () => ({ kind: 'delay', until }));
  const source = new MemoryStore('source');
  const chunks = Array.from({ length: 100 }, (_, i) => chunkOf(`chunk ${i}`));
  for (const { id, bytes } of chunks) await source.put(id, bytes);
  const cache = pool('cache', [slow], true);
  const route = new RouteStore({ lookup: [pool('0', [source])], cache: [cache] });
  for (const { id } of chunks) await route.get(id);
  release();
  await route.settled();
  assert.equal(slow.calls, 4 + 64, 'four under way and a full queue');
});

test('close() closes every store once', async () => {
  const store = await memory('a');
  const other = await memory('b');
  const lookup = [pool('0', [store, store]), pool('1', [other])];
  await new RouteStore({ lookup }).close();
  assert.deepEqual([store.closed, other.closed], [true, true]);
});
