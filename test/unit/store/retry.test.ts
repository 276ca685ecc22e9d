import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { READ_RETRY, withRetry } from '../../../src/store/retry.ts';
import {
  chunkOf,
  type FaultPlan,
  FaultyStore,
  failFirst,
  unavailable,
  WAYS,
} from '../../support/faulty-store.ts';

const CHUNK = chunkOf('chunk');
const CLOCK = { now: () => 0, sleep: async () => {}, random: () => 0 };

async function filled(plan: FaultPlan): Promise<FaultyStore> {
  const store = new MemoryStore();
  await store.put(CHUNK.id, CHUNK.bytes);
  return new FaultyStore(store, plan);
}

test('get() succeeds when a failure passes', async () => {
  const store = await filled(failFirst(3));
  assert.equal((await withRetry(store, READ_RETRY, CLOCK).get(CHUNK.id)).length, 5);
  assert.equal(store.calls, 4);
});

test('get() gives up after the last attempt', async () => {
  const store = await filled(failFirst(4));
  await assert.rejects(withRetry(store, READ_RETRY, CLOCK).get(CHUNK.id), (error) =>
    isG8Error(error, 'ERR_STORE_UNAVAILABLE'),
  );
  assert.equal(store.calls, 4);
});

test('get() does not repeat a chunk that is missing', async () => {
  const store = new FaultyStore(new MemoryStore());
  await assert.rejects(withRetry(store, READ_RETRY, CLOCK).get(CHUNK.id));
  assert.equal(store.calls, 1);
});

test('put() and missing() are repeated', async () => {
  const store = await filled((call) =>
    call % 2 === 1 ? { kind: 'fail', error: unavailable() } : undefined,
  );
  const retried = withRetry(store, READ_RETRY, CLOCK);
  await retried.put(CHUNK.id, CHUNK.bytes);
  assert.deepEqual(await retried.missing([CHUNK.id]), []);
  assert.equal(store.calls, 4);
});

for (const [way, get] of WAYS) {
  test(`${way} asks again only for what failed`, async () => {
    const chunks = Array.from({ length: 10 }, (_, i) => chunkOf(`chunk ${i}`));
    const inner = new MemoryStore();
    for (const { id, bytes } of chunks) await inner.put(id, bytes);
    const unlucky = new Set([chunks[3]?.id, chunks[7]?.id]);
    const store = new FaultyStore(inner, (call, id) =>
      call <= 10 && unlucky.has(id) ? { kind: 'fail', error: unavailable() } : undefined,
    );
    const results = await get(
      withRetry(store, READ_RETRY, CLOCK),
      chunks.map(({ id }) => id),
    );
    assert.equal(results.size, 10);
    assert([...results.values()].every((value) => value instanceof Uint8Array));
    assert.equal(store.calls, 12);
  });
}

for (const [way, get] of WAYS) {
  test(`${way} gives the error of a chunk that keeps failing, once`, async () => {
    const store = await filled(failFirst(100));
    const results = await get(withRetry(store, READ_RETRY, CLOCK), [CHUNK.id]);
    const { error } = results.get(CHUNK.id) as { error: unknown };
    assert(isG8Error(error, 'ERR_STORE_UNAVAILABLE'));
    assert.equal(store.calls, READ_RETRY.attemptCount);
  });
}

for (const [way, get] of WAYS) {
  test(`${way} gives an error that cannot pass at once`, async () => {
    const error = new G8Error('ERR_PERMISSION', 'Not allowed');
    const store = await filled(failFirst(100, error));
    const results = await get(withRetry(store, READ_RETRY, CLOCK), [CHUNK.id]);
    assert.deepEqual(results.get(CHUNK.id), { error });
    assert.equal(store.calls, 1);
  });
}

test('getMany() ends with ERR_ABORTED when its caller aborts', async () => {
  const controller = new AbortController();
  const store = await filled(() => ({ kind: 'hang' }));
  const results = withRetry(store).getMany([CHUNK.id], { signal: controller.signal });
  const next = results[Symbol.asyncIterator]().next();
  controller.abort();
  await assert.rejects(next, (error) => isG8Error(error, 'ERR_ABORTED'));
});

test('each delay is published', async () => {
  const events: unknown[] = [];
  const listener = (event: unknown) => events.push(event);
  subscribe('g8ufs:store:retry', listener);
  try {
    await withRetry(await filled(failFirst(1)), READ_RETRY, CLOCK).get(CHUNK.id);
  } finally {
    unsubscribe('g8ufs:store:retry', listener);
  }
  assert.equal(events.length, 1);
  assert.equal((events[0] as { attempt: number }).attempt, 1);
});
