import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { abortError } from '../../../src/base/abort.ts';
import { sleep, startDeadline, withDeadline } from '../../../src/base/deadline.ts';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';

const never = () => new Promise<never>(() => {});

test('withDeadline() gives what the work gives', async () => {
  assert.equal(await withDeadline({ timeoutMs: 1000, what: 'Work' }, async () => 7), 7);
});

test('withDeadline() rejects with ERR_TIMEOUT although the work ignores its signal', async () => {
  await assert.rejects(withDeadline({ timeoutMs: 5, what: 'Work' }, never), (error) => {
    assert(isG8Error(error, 'ERR_TIMEOUT'));
    assert.equal(error.message, 'Work took longer than 5 ms');
    return true;
  });
});

test('withDeadline() tells the work why it ends', async () => {
  let reason: unknown;
  await assert.rejects(
    withDeadline({ timeoutMs: 5, what: 'Work' }, async (signal) => {
      signal.addEventListener('abort', () => {
        reason = signal.reason;
      });
      await never();
    }),
  );
  assert(isG8Error(reason, 'ERR_TIMEOUT'));
});

test('withDeadline() passes an abort on with its own error', async () => {
  const controller = new AbortController();
  const reason = new G8Error('ERR_CACHE_FULL', 'No room');
  const result = withDeadline(
    { timeoutMs: 10_000, signal: controller.signal, what: 'Work' },
    never,
  );
  controller.abort(reason);
  await assert.rejects(result, reason);
});

test('withDeadline() does not start work for an aborted signal', async () => {
  let started = false;
  const signal = AbortSignal.abort();
  const run = async () => {
    started = true;
  };
  await assert.rejects(withDeadline({ timeoutMs: 10, signal, what: 'Work' }, run), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
  assert.equal(started, false);
});

test('withDeadline() leaves no listener on the outer signal', async () => {
  const { signal } = new AbortController();
  await withDeadline({ timeoutMs: 1000, signal, what: 'Work' }, async () => {});
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('startDeadline() does nothing more once it is cleared', async () => {
  const controller = new AbortController();
  const deadline = startDeadline({ timeoutMs: 1, signal: controller.signal, what: 'Work' });
  deadline.clear();
  controller.abort();
  await sleep(5);
  assert.equal(deadline.signal.aborted, false);
});

test('sleep() ends when its signal aborts', async () => {
  const controller = new AbortController();
  const slept = sleep(60_000, controller.signal);
  controller.abort();
  await assert.rejects(slept, (error) => isG8Error(error, 'ERR_ABORTED'));
});

test('sleep() leaves no listener on its signal', async () => {
  const { signal } = new AbortController();
  await sleep(1, signal);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('abortError() keeps a foreign reason as the cause', () => {
  const cause = new Error('why');
  const error = abortError(AbortSignal.abort(cause));
  assert.equal(error.code, 'ERR_ABORTED');
  assert.equal(error.cause, cause);
});
