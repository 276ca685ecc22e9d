import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Riders } from '../../../src/cache/fill-options.ts';
import { BLOCK, content, openCache, RecordingStore } from '../../support/cache-fixture.ts';

const DEMAND = { priority: 'demand' } as const;
const files = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => content(0, seed + i, 50));

/** Riders, and the promise of how they ended. */
function ride(refs: Riders['refs']) {
  let end = (_: readonly boolean[]): void => {};
  const ended = new Promise<readonly boolean[]>((resolve) => {
    end = resolve;
  });
  return { riders: () => ({ refs, onEnd: end }), ended };
}

test('riders come in the call of what a reader waits for, behind it', async (t) => {
  const { cache, residency } = await openCache(t);
  const [wanted, ...beside] = files(10, 100);
  const store = new RecordingStore([wanted!, ...beside]);
  const { riders, ended } = ride(beside);
  await cache.load(wanted!, 0, 1, { store, ...DEMAND, riders });
  assert.deepEqual(
    await ended,
    beside.map(() => true),
  );
  assert.deepEqual(store.calls, [10]);
  assert.equal(store.asked[0], wanted!.key);
  for (const each of beside) assert.ok(residency.completed.has(each.key));
});

test('a reader has its content before the riders have come', async (t) => {
  const { cache } = await openCache(t);
  const [wanted, beside] = files(2, 200);
  const store = new RecordingStore([wanted!, beside!]);
  let arrive = (): void => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  store.intercept = async (id, bytes) => {
    if (id === beside!.key) await arrived;
    return bytes;
  };
  const { riders, ended } = ride([beside!]);
  await cache.load(wanted!, 0, 1, { store, ...DEMAND, riders });
  // And whoever wants a rider then waits for it, without another call.
  const second = cache.load(beside!, 0, 1, { store, ...DEMAND });
  arrive();
  await second;
  assert.deepEqual([await ended, store.calls], [[true], [2]]);
});

test('what is local or on its way does not ride', async (t) => {
  const { cache } = await openCache(t);
  const [local, wanted, beside] = files(3, 300);
  const store = new RecordingStore([local!, wanted!, beside!]);
  await cache.load(local!, 0, 1, { store, ...DEMAND });
  const { riders, ended } = ride([local!, wanted!, beside!]);
  await cache.load(wanted!, 0, 1, { store, ...DEMAND, riders });
  assert.deepEqual(await ended, [false, false, true]);
  assert.deepEqual(store.calls, [1, 2]);
});

test('riders are not asked for when the reader needs no call of its own', async (t) => {
  const { cache } = await openCache(t);
  const [wanted] = files(1, 400);
  const store = new RecordingStore([wanted!]);
  const riders = (): undefined => {
    asked++;
  };
  let asked = 0;
  const load = () => cache.load(wanted!, 0, 1, { store, ...DEMAND, riders });
  await Promise.all([load(), load()]);
  assert.equal(asked, 1);
  const large = content(3, 401);
  store.add(large);
  await cache.load(large, 0, 1, { store, ...DEMAND, riders });
  assert.equal(asked, 1);
});

test('riders of a reader whose content turns out to be local are given up', async (t) => {
  const { cache } = await openCache(t);
  const [wanted, beside] = files(2, 500);
  const store = new RecordingStore([wanted!, beside!]);
  await cache.load(wanted!, 0, 1, { store, ...DEMAND });
  const { riders, ended } = ride([beside!]);
  await cache.load(wanted!, 0, 1, { store, ...DEMAND, riders });
  assert.deepEqual([await ended, store.calls], [[false], [1]]);
  await cache.load(beside!, 0, 1, { store, ...DEMAND });
  assert.equal((await cache.status()).files, 2);
});

test('nothing is evicted for riders', async (t) => {
  const { cache } = await openCache(t, { sizeMaxBytes: 4 * BLOCK });
  const [first, second, wanted, ...beside] = files(6, 600);
  const store = new RecordingStore([first!, second!, wanted!, ...beside]);
  await cache.load(first!, 0, 1, { store, ...DEMAND });
  await cache.load(second!, 0, 1, { store, ...DEMAND });
  assert.deepEqual(
    [await cache.hasRoom(2 * BLOCK), await cache.hasRoom(2 * BLOCK + 1)],
    [true, false],
  );
  const { riders, ended } = ride([content(3, 700)]);
  await cache.load(wanted!, 0, 1, { store, ...DEMAND, riders });
  assert.deepEqual(await ended, [false]);
  assert.equal((await cache.status()).files, 3);
});

test('nothing rides beyond the quota of an image', async (t) => {
  const { cache } = await openCache(t);
  const quota = { owner: 7, bytesMax: 2 * BLOCK };
  const [wanted, fits] = files(2, 800);
  const tooMuch = files(1, 900)[0]!;
  const store = new RecordingStore([wanted!, fits!, tooMuch]);
  const first = ride([fits!]);
  await cache.load(wanted!, 0, 1, { store, ...DEMAND, quota, riders: first.riders });
  assert.deepEqual(await first.ended, [true]);
  assert.deepEqual([await cache.hasRoom(1, quota), await cache.hasRoom(1)], [false, true]);
});

test('a reader that gives up takes no rider from others', async (t) => {
  const { cache } = await openCache(t);
  const [wanted, beside] = files(2, 1000);
  const store = new RecordingStore([wanted!, beside!]);
  const reader = new AbortController();
  store.intercept = (_id, bytes) => {
    reader.abort();
    return bytes;
  };
  const { riders, ended } = ride([beside!]);
  const { signal } = reader;
  await cache.load(wanted!, 0, 1, { store, ...DEMAND, signal, riders }).catch(() => {});
  assert.deepEqual(await ended, [true]);
});
