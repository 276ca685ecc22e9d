import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type CallProgress, FetchQueue, type QueuedChunk } from '../../../src/cache/fetch-queue.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { ChunkStore } from '../../../src/store/store.ts';
import { gate } from '../../support/gate.ts';

/** Larger than a call may be, so that each chunk is a call of its own. */
const SIZE = 8 * 1024 * 1024;

function queueOf() {
  const calls: { store: ChunkStore; progress: CallProgress; end: () => void }[] = [];
  const queue = new FetchQueue<QueuedChunk>(async (store, _chunks, progress) => {
    const end = gate();
    calls.push({ store, progress, end: end.open });
    await end.opened;
  });
  let next = 0;
  const add = async (store: ChunkStore, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      queue.add({ id: `chunk ${next++}`, size: SIZE, store, priority: 0 });
    }
    await setImmediate();
  };
  const running = (store: ChunkStore): number =>
    calls.filter((each) => each.store === store).length;
  return { calls, add, running };
}

test('calls that wait in vain for one store leave the places to others after a moment', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { add, running } = queueOf();
  const [dead, good] = [new MemoryStore('dead'), new MemoryStore('good')];
  await add(dead, 40);
  assert.equal(running(dead), 16);
  await add(good, 3);
  assert.equal(running(good), 0, 'all places are taken');
  t.mock.timers.tick(1_000);
  assert.equal(running(good), 3);
  assert.equal(running(dead), 16, 'and no more of the dead one');
});

test('a call that is heard again takes its place again, and one that was used keeps it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { calls, add, running } = queueOf();
  const [slow, good] = [new MemoryStore('slow'), new MemoryStore('good')];
  await add(slow, 16);
  t.mock.timers.tick(1_000);
  for (const { progress } of calls) progress.answered();
  await add(good, 1);
  assert.equal(running(good), 0);
  // What has come is in memory until it is used, however long that takes.
  for (const { progress } of calls) progress.received();
  t.mock.timers.tick(10_000);
  assert.equal(running(good), 0);
  calls[0]?.end();
  await setImmediate();
  assert.equal(running(good), 1);
});
