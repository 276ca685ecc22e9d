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

test('riders go behind what readers wait for in one call, and by themselves without one', async () => {
  const calls: string[][] = [];
  const queue = new FetchQueue<QueuedChunk>(async (_store, chunks) => {
    calls.push(chunks.map(({ id }) => id));
  });
  const [store, other] = [new MemoryStore('one'), new MemoryStore('other')];
  const small = (id: string, of: ChunkStore, priority: number, rides = false): QueuedChunk => {
    return { id, size: 100, store: of, priority, rides };
  };
  queue.add(small('rider', store, 1, true));
  queue.add(small('of another store', other, 1, true));
  queue.add(small('behind', store, 1));
  queue.add(small('wanted', store, 0));
  await setImmediate();
  assert.deepEqual(calls, [['wanted', 'rider'], ['behind'], ['of another store']]);
  queue.add(small('alone', store, 1, true));
  await setImmediate();
  queue.add(small('later', store, 0));
  await setImmediate();
  assert.deepEqual(calls.slice(3), [['alone'], ['later']]);
});

test('the time to an answer is known with the second one', async () => {
  const store = new MemoryStore('one');
  const asked = new FetchQueue<QueuedChunk>(async (_store, _chunks, progress) => {
    progress.answered();
  });
  assert.equal(asked.answerMs(store), undefined);
  for (const id of ['a', 'b']) {
    assert.equal(asked.answerMs(store), undefined);
    asked.add({ id, size: 1, store, priority: 0 });
    await setImmediate();
  }
  assert.ok((asked.answerMs(store) ?? -1) >= 0);
});
