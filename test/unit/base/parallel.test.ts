import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { mergeParallel, type Task } from '../../../src/base/parallel.ts';

function counting(values: readonly number[]): Task<number> {
  return async function* () {
    yield* values;
  };
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

test('mergeParallel() yields every value of every task', async () => {
  const tasks = [counting([1, 2, 3]), counting([]), counting([4]), counting([5, 6])];
  const values = await all(mergeParallel(tasks, { concurrency: 2 }));
  assert.deepEqual(values.sort(), [1, 2, 3, 4, 5, 6]);
});

test('mergeParallel() of nothing ends', async () => {
  assert.deepEqual(await all(mergeParallel<number>([], { concurrency: 2 })), []);
});

test('mergeParallel() takes tasks from an asynchronous source', async () => {
  async function* tasks() {
    yield counting([1]);
    yield counting([2]);
  }
  assert.deepEqual((await all(mergeParallel(tasks(), { concurrency: 4 }))).sort(), [1, 2]);
});

test('mergeParallel() runs no more tasks than allowed', async () => {
  let running = 0;
  let runningMax = 0;
  const task: Task<number> = async function* () {
    runningMax = Math.max(runningMax, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    yield 1;
    running--;
  };
  const values = await all(mergeParallel(Array(20).fill(task), { concurrency: 3 }));
  assert.equal(values.length, 20);
  assert.equal(runningMax, 3);
});

test('mergeParallel() lets a fast task pass a slow one', async () => {
  const slow = gate();
  const merged = mergeParallel<string>(
    [
      async function* () {
        await slow.opened;
        yield 'slow';
      },
      async function* () {
        yield 'fast';
      },
    ],
    { concurrency: 2 },
  );
  assert.equal((await merged.next()).value, 'fast');
  slow.open();
  assert.equal((await merged.next()).value, 'slow');
  assert.equal((await merged.next()).done, true);
});

test('mergeParallel() throws the first failure and aborts the rest', async () => {
  let aborted = false;
  const merged = mergeParallel<number>(
    [
      async function* (signal) {
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve());
        });
        aborted = true;
        yield 1;
      },
      // biome-ignore lint/correctness/useYield: a task that fails has nothing to yield
      async function* () {
        throw new RangeError('first');
      },
    ],
    { concurrency: 2 },
  );
  await assert.rejects(all(merged), /first/);
  assert.equal(aborted, true);
});

test('mergeParallel() closes its tasks when the consumer stops', async () => {
  let closed = 0;
  const task: Task<number> = async function* () {
    try {
      for (;;) yield 1;
    } finally {
      closed++;
    }
  };
  for await (const value of mergeParallel([task, task], { concurrency: 2 })) {
    assert.equal(value, 1);
    break;
  }
  assert.equal(closed, 2);
});

test('mergeParallel() reads no task further ahead than one value', async () => {
  let made = 0;
  const task: Task<number> = async function* () {
    for (;;) yield ++made;
  };
  const merged = mergeParallel([task], { concurrency: 1 });
  await merged.next();
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(made, 2);
  await merged.return();
});

test('mergeParallel() rejects with ERR_ABORTED while it waits', async () => {
  const controller = new AbortController();
  const merged = mergeParallel<number>(
    [
      async function* (signal) {
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve());
        });
      },
    ],
    { concurrency: 1, signal: controller.signal },
  );
  const next = merged.next();
  controller.abort();
  await assert.rejects(next, (error) => isG8Error(error, 'ERR_ABORTED'));
});

test('mergeParallel() throws what the source of tasks throws', async () => {
  function* tasks(): Generator<Task<number>> {
    yield counting([1]);
    throw new RangeError('source');
  }
  await assert.rejects(all(mergeParallel(tasks(), { concurrency: 1 })), /source/);
});
