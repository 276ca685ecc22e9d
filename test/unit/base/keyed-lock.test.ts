import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedLock } from '../../../src/base/keyed-lock.ts';
import { gate } from '../../support/gate.ts';

test('run() runs the tasks of one key one after the other, in order', async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  const tasks = ['a', 'b', 'c'].map((name) =>
    lock.run('key', async () => {
      order.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${name} ends`);
    }),
  );
  await Promise.all(tasks);
  assert.deepEqual(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

test('run() does not hold other keys up', async () => {
  const lock = new KeyedLock();
  const { opened, open } = gate();
  const held = lock.run('one', () => opened);
  assert.equal(await lock.run('two', async () => 'free'), 'free');
  assert.deepEqual([lock.isHeld('one'), lock.isHeld('two')], [true, false]);
  open();
  await held;
  assert.equal(lock.isHeld('one'), false);
});

test('run() goes on after a task that fails', async () => {
  const lock = new KeyedLock();
  const failing = lock.run('key', () => Promise.reject(new Error('no')));
  const next = lock.run('key', async () => 'yes');
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'yes');
});
