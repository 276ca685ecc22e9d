import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limiter } from '../../../src/base/limit.ts';
import { gate } from '../../support/gate.ts';

const QUEUE = { queueCountMax: 100 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('run() starts no more tasks than there are slots', async () => {
  const limiter = new Limiter({ shares: [3], ...QUEUE });
  const { opened, open } = gate();
  const tasks = Array.from({ length: 10 }, () => limiter.run(() => opened, { priority: 0 }));
  await turn();
  assert.deepEqual([limiter.running, limiter.waiting], [3, 7]);
  open();
  await Promise.all(tasks);
  assert.deepEqual([limiter.running, limiter.waiting], [0, 0]);
});

test('run() leaves slots free that a lower priority has no share of', async () => {
  const limiter = new Limiter({ shares: [4, 2], ...QUEUE });
  const { opened, open } = gate();
  const low = Array.from({ length: 5 }, () => limiter.run(() => opened, { priority: 1 }));
  await turn();
  assert.equal(limiter.running, 2);
  assert.equal(await limiter.run(async () => 'at once', { priority: 0 }), 'at once');
  open();
  await Promise.all(low);
});

test('run() takes waiting tasks by priority, then by arrival', async () => {
  const limiter = new Limiter({ shares: [1, 1], ...QUEUE });
  const order: string[] = [];
  const { opened, open } = gate();
  const tasks = [limiter.run(() => opened, { priority: 1 })];
  for (const [name, priority] of [
    ['c', 1],
    ['d', 1],
    ['a', 0],
    ['b', 0],
  ] as const) {
    tasks.push(limiter.run(async () => void order.push(name), { priority }));
  }
  open();
  await Promise.all(tasks);
  assert.deepEqual(order, ['a', 'b', 'c', 'd']);
});

test('a raised task overtakes', async () => {
  const limiter = new Limiter({ shares: [1, 1], ...QUEUE });
  const order: string[] = [];
  const { opened, open } = gate();
  let raise = (_priority: number): void => {};
  const tasks = [
    limiter.run(() => opened, { priority: 1 }),
    limiter.run(async () => void order.push('first'), { priority: 1 }),
    limiter.run(async () => void order.push('raised'), {
      priority: 1,
      onQueued: (ticket) => {
        raise = ticket;
      },
    }),
  ];
  raise(0);
  open();
  await Promise.all(tasks);
  assert.deepEqual(order, ['raised', 'first']);
});

test('a raised task starts at once when its new priority has a free slot', async () => {
  const limiter = new Limiter({ shares: [2, 1], ...QUEUE });
  const { opened, open } = gate();
  const blocker = limiter.run(() => opened, { priority: 1 });
  let raise = (_priority: number): void => {};
  const onQueued = (ticket: (priority: number) => void): void => {
    raise = ticket;
  };
  const raised = limiter.run(async () => 'done', { priority: 1, onQueued });
  raise(0);
  assert.equal(await raised, 'done');
  open();
  await blocker;
});

test('an aborted wait leaves the queue and takes no slot', async () => {
  const limiter = new Limiter({ shares: [1], ...QUEUE });
  const { opened, open } = gate();
  const blocker = limiter.run(() => opened, { priority: 0 });
  const leaving = new AbortController();
  let ran = false;
  const task = async (): Promise<void> => {
    ran = true;
  };
  const waiter = limiter.run(task, { priority: 0, signal: leaving.signal });
  leaving.abort();
  await assert.rejects(waiter, { code: 'ERR_ABORTED' });
  assert.equal(limiter.waiting, 0);
  open();
  await blocker;
  await turn();
  assert.deepEqual([ran, limiter.running], [false, 0]);
});

test('run() refuses a task when too many wait', async () => {
  const limiter = new Limiter({ shares: [1], queueCountMax: 1 });
  const { opened, open } = gate();
  const tasks = [1, 2].map(() => limiter.run(() => opened, { priority: 0 }));
  const refused = limiter.run(() => opened, { priority: 0 });
  await assert.rejects(refused, { code: 'ERR_STORE_UNAVAILABLE' });
  open();
  await Promise.all(tasks);
});

test('run() gives the slot back when the task fails', async () => {
  const limiter = new Limiter({ shares: [1], ...QUEUE });
  const failing = limiter.run(() => Promise.reject(new Error('no')), { priority: 0 });
  await assert.rejects(failing, /no/);
  assert.equal(await limiter.run(async () => 1, { priority: 0 }), 1);
});
