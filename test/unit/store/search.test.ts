/** What a route does with stores that are silent, dead or wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { HealthTable } from '../../../src/store/health.ts';
import { HedgeBudget, patienceMs } from '../../../src/store/hedge.ts';
import { ALL_IDS } from '../../../src/store/id-range.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { type Pool, RouteStore } from '../../../src/store/route.ts';
import type { ChunkStore } from '../../../src/store/store.ts';
import {
  chunkOf,
  type FaultPlan,
  FaultyStore,
  unavailable,
  WAYS,
} from '../../support/faulty-store.ts';
import { gate } from '../../support/gate.ts';

const CHUNKS = Array.from({ length: 6 }, (_, i) => chunkOf(`chunk ${i}`));
const IDS = CHUNKS.map(({ id }) => id);
const [FIRST] = CHUNKS as [(typeof CHUNKS)[0]];

async function full(name: string, plan?: FaultPlan): Promise<FaultyStore> {
  const store = new MemoryStore(name);
  for (const { id, bytes } of CHUNKS) await store.put(id, bytes);
  return new FaultyStore(store, plan);
}

/** A store that says at once what is wrong with chunks, and hangs with the others. */
function refusing(name: string, errorOf: (id: string) => G8Error | undefined): ChunkStore {
  const never = async (signal: AbortSignal | undefined): Promise<never> =>
    await new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
  const store: ChunkStore = {
    name,
    get: async (id, { signal } = {}) => {
      const error = errorOf(id);
      if (error !== undefined) throw error;
      return await never(signal);
    },
    async *getMany(ids, { signal } = {}) {
      let isDone = true;
      for (const id of ids) {
        const error = errorOf(id);
        if (error === undefined) isDone = false;
        else yield { id, error };
      }
      if (!isDone) await never(signal);
    },
    missing: async () => [],
    close: async () => {},
  };
  return store;
}

function routeOf(...stores: readonly ChunkStore[]) {
  const health = new HealthTable();
  const lookup = stores.map((store, i): Pool => {
    return { name: String(i), cache: false, routes: [{ range: ALL_IDS, store }] };
  });
  return { route: new RouteStore({ lookup, health }), health };
}

const [, deliverWay] = WAYS;
const getAll = deliverWay?.[1] as NonNullable<typeof deliverWay>[1];

for (const count of [1, 6]) {
  test(`a silent store is not waited for: ${count} of the next`, async () => {
    const silent = await full('silent', () => ({ kind: 'hang' }));
    const { route, health } = routeOf(silent, await full('next'));
    const results = await getAll(route, IDS.slice(0, count));
    assert.ok([...results.values()].every((value) => value instanceof Uint8Array));
    const [slow, next] = [health.of('silent').report(), health.of('next').report()];
    assert.deepEqual([next.hedges, next.hedgesWon], [1, 1]);
    // It was told to stop, and that counts against it.
    assert.deepEqual([slow.calls, slow.failures, slow.lastError], [1, 1, 'ERR_TIMEOUT']);
  });
}

test('a store that fell silent three times is not asked any more, and nobody waits for it', async () => {
  const silent = await full('silent', () => ({ kind: 'hang' }));
  const { route, health } = routeOf(silent, await full('next'));
  // At the same time: the first is asked by all, for it has not failed yet.
  await Promise.all(IDS.slice(0, 4).map((id) => route.get(id)));
  assert.equal(health.of('silent').circuit, 'open');
  const before = silent.calls;
  await route.get(FIRST.id);
  assert.equal(silent.calls, before);
});

test('what is under way at a store whose circuit opens goes on at the next, without budget', async () => {
  const silent = await full('silent', () => ({ kind: 'hang' }));
  const next = await full('next');
  const { route, health } = routeOf(silent, next);
  const getting = Promise.all(
    Array.from({ length: 40 }, (_, i) => route.get(IDS[i % IDS.length] as string)),
  );
  await Promise.resolve();
  for (let i = 0; i < 3; i++) health.of('silent').begin().failed(unavailable());
  assert.equal((await getting).length, 40);
  assert.equal(health.of('next').report().hedges, 40);
});

test('a store that answers in time is not helped', async () => {
  const { route, health } = routeOf(await full('first'), await full('next'));
  await getAll(route, IDS);
  await route.get(FIRST.id);
  assert.equal(health.of('next').report().calls, 0);
});

test('chunks that a store does not have go on to the next at once, the others come from it', async () => {
  const some = new MemoryStore('some');
  for (const { id, bytes } of CHUNKS.slice(0, 3)) await some.put(id, bytes);
  const { route, health } = routeOf(some, await full('next'));
  const results = await getAll(route, IDS);
  assert.equal([...results.values()].filter((value) => value instanceof Uint8Array).length, 6);
  assert.equal(health.of('next').report().hedges, 0);
});

test('with verify, a corrupt chunk is had from the next store', async () => {
  const { route, health } = routeOf(
    await full('bad', () => ({ kind: 'flip' })),
    await full('next'),
  );
  const bytes = await route.get(FIRST.id, { verify: true });
  assert.deepEqual(Buffer.from(bytes), Buffer.from(FIRST.bytes));
  assert.equal(health.of('bad').report().corrupt, 1);
});

test('with verify, a chunk that is corrupt everywhere is ERR_CHUNK_CORRUPT', async () => {
  const { route } = routeOf(await full('bad', () => ({ kind: 'flip' })));
  await assert.rejects(route.get(FIRST.id, { verify: true }), (error) =>
    isG8Error(error, 'ERR_CHUNK_CORRUPT'),
  );
});

test('a caller that gives up ends the calls that were made for it', async () => {
  const controller = new AbortController();
  const silent = await full('silent', () => ({ kind: 'hang' }));
  const { route, health } = routeOf(silent);
  const getting = route.get(FIRST.id, { signal: controller.signal });
  const reason = new G8Error('ERR_TIMEOUT', 'Reader gave up');
  controller.abort(reason);
  await assert.rejects(getting, reason);
  assert.equal(health.of('silent').circuit, 'closed');
  assert.equal(health.of('silent').report().failures, 0, 'it had no time to answer');
});

test('an only store whose circuit is open fails at once with its last error', async () => {
  const down = await full('down', () => ({ kind: 'fail', error: unavailable() }));
  const { route } = routeOf(down);
  for (let i = 0; i < 5; i++) {
    await assert.rejects(route.get(FIRST.id), (error) => isG8Error(error, 'ERR_STORE_UNAVAILABLE'));
  }
  assert.equal(down.calls, 3);
});

test('what a store answers counts, to the last chunk', async () => {
  const { route, health } = routeOf(await full('only'));
  for (let i = 0; i < 10; i++) {
    await route.get(FIRST.id);
    await getAll(route, IDS);
  }
  assert.notEqual(health.of('only').p95Ms, undefined);
  for (let i = 0; i < 3; i++) health.of('only').begin().failed(unavailable());
  await assert.rejects(route.get(FIRST.id));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await route.get(FIRST.id);
  assert.equal(health.of('only').circuit, 'closed');
});

test('HedgeBudget allows a twentieth, and some in a row', () => {
  const budget = new HedgeBudget();
  let extra = 0;
  while (budget.take()) extra++;
  assert.equal(extra, 8);
  for (let call = 0; call < 1000; call++) {
    budget.earn();
    if (budget.take()) extra++;
  }
  assert.ok(extra >= 8 + 49 && extra <= 8 + 50, String(extra));
});

test('patienceMs() is the measured silence within bounds', () => {
  const table = new HealthTable();
  assert.equal(patienceMs(table.of('new')), 1000);
  for (const [silenceMs, expected] of [
    [3, 50],
    [700, 700],
    [60_000, 4000],
  ] as const) {
    const health = table.of(`${silenceMs}`);
    for (let i = 0; i < 20; i++) health.begin().answered(silenceMs);
    assert.equal(patienceMs(health), expected);
  }
});

test('what a silent store lacks is settled also when it is given up for another chunk', async () => {
  const [wanted, absent] = IDS as [string, string];
  const missing = new G8Error('ERR_CHUNK_MISSING', 'absent');
  const silent = refusing('first', (id) => (id === absent ? missing : undefined));
  const asked = gate();
  const told = gate();
  const first: ChunkStore = {
    ...silent,
    async *getMany(ids, options) {
      await asked.opened;
      for await (const result of silent.getMany(ids, options)) {
        yield result;
        told.open();
      }
    },
  };
  const has = await full('next');
  const next: ChunkStore = {
    ...refusing('next', () => missing),
    get: async (id) => {
      asked.open();
      await told.opened;
      return await has.get(id);
    },
  };
  const only = { first: wanted, last: wanted };
  const lookup = [
    { name: 'first', cache: false, routes: [{ range: ALL_IDS, store: first }] },
    { name: 'next', cache: false, routes: [{ range: only, store: next }] },
  ];
  const route = new RouteStore({ lookup, health: new HealthTable() });
  const signal = AbortSignal.timeout(20_000);
  const results = await getAll(route, [wanted, absent], { signal });
  assert.ok(results.get(wanted) instanceof Uint8Array);
  const { error } = results.get(absent) as { error: unknown };
  assert.ok(isG8Error(error, 'ERR_CHUNK_MISSING'));
});

test('a store that gave three wrong chunks in one call is not asked any more', async () => {
  for (const [, get] of WAYS) {
    const corrupt = (id: string) => new G8Error('ERR_CHUNK_CORRUPT', 'wrong', { details: { id } });
    const wrong = refusing('wrong', corrupt);
    const { route, health } = routeOf(wrong, await full('next'));
    const results = await get(route, IDS);
    assert.ok([...results.values()].every((value) => value instanceof Uint8Array));
    assert.equal(health.of('wrong').circuit, 'open');
  }
});
