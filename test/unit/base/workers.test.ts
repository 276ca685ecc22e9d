import assert from 'node:assert/strict';
import test from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { forEachParallel } from '../../../src/base/workers.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('forEachParallel() runs every item, no more at a time than allowed', async () => {
  const seen: number[] = [];
  let running = 0;
  let most = 0;
  await forEachParallel(Array(50).keys(), { concurrency: 4 }, async (item) => {
    most = Math.max(most, ++running);
    await turn();
    running--;
    seen.push(item);
  });
  assert.equal(most, 4);
  assert.deepEqual(seen, [...Array(50).keys()]);
});

test('forEachParallel() starts nothing after a failure and waits for what runs', async () => {
  let running = 0;
  let started = 0;
  const failure = new Error('third');
  const work = forEachParallel(Array(50).keys(), { concurrency: 4 }, async (item) => {
    started++;
    running++;
    await turn();
    running--;
    if (item === 2) throw failure;
  });
  await assert.rejects(work, failure);
  assert.equal(running, 0);
  assert.ok(started < 12, `${started}`);
});

test('forEachParallel() ends with the reason of its signal', async () => {
  const controller = new AbortController();
  let done = 0;
  const work = forEachParallel(
    Array(50).keys(),
    { concurrency: 2, signal: controller.signal },
    async () => {
      if (++done === 10) controller.abort(new G8Error('ERR_ABORTED', 'Interrupted'));
      await turn();
    },
  );
  await assert.rejects(work, (error) => isG8Error(error, 'ERR_ABORTED'));
  assert.ok(done < 15, `${done}`);
});
