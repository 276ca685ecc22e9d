import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abortError, throwIfAborted } from '../../../src/base/abort.ts';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { type RetryPolicy, retry, retryDelayMs } from '../../../src/base/retry.ts';

const POLICY: RetryPolicy = { attemptCount: 4, delayMsMin: 100, delayMsMax: 300, totalMs: 10_000 };

/** A clock that moves only when it is slept on. */
function fakeClock(random = 1) {
  const slept: number[] = [];
  let now = 0;
  return {
    slept,
    now: () => now,
    random: () => random,
    sleep: async (ms: number, signal?: AbortSignal) => {
      throwIfAborted(signal);
      slept.push(ms);
      now += ms;
    },
  };
}

function down(details = {}): G8Error {
  return new G8Error('ERR_STORE_UNAVAILABLE', 'Down', { details });
}

test('retry() gives the first success', async () => {
  const clock = fakeClock();
  const run = async (_signal: AbortSignal, attempt: number) => {
    if (attempt < 3) throw down();
    return attempt;
  };
  assert.equal(await retry({ policy: POLICY, what: 'Call', clock }, run), 3);
  assert.deepEqual(clock.slept, [100, 200]);
});

test('retry() throws the last failure when the attempts are used up', async () => {
  const clock = fakeClock();
  const errors: G8Error[] = [];
  const failing = retry({ policy: POLICY, what: 'Call', clock }, async () => {
    errors.push(down());
    throw errors.at(-1);
  });
  await assert.rejects(failing, (error) => error === errors[3]);
  assert.deepEqual(clock.slept, [100, 200, 300], 'delays double up to their bound');
});

test('retry() does not repeat what cannot pass', async () => {
  let calls = 0;
  const error = new G8Error('ERR_CHUNK_MISSING', 'Missing');
  const failing = retry({ policy: POLICY, what: 'Call', clock: fakeClock() }, async () => {
    calls++;
    throw error;
  });
  await assert.rejects(failing, error);
  assert.equal(calls, 1);
});

test('retry() does not repeat after a bug', async () => {
  let calls = 0;
  const failing = retry({ policy: POLICY, what: 'Call', clock: fakeClock() }, async () => {
    calls++;
    throw new RangeError('bug');
  });
  await assert.rejects(failing, RangeError);
  assert.equal(calls, 1);
});

test('retry() gives up when the next delay would pass the total time', async () => {
  const clock = fakeClock();
  const policy = { ...POLICY, totalMs: 250 };
  await assert.rejects(
    retry({ policy, what: 'Call', clock }, async () => {
      throw down();
    }),
    (error) => isG8Error(error, 'ERR_STORE_UNAVAILABLE'),
  );
  assert.deepEqual(clock.slept, [100]);
});

test('retry() cuts an attempt that outlasts the total time', async () => {
  const policy = { ...POLICY, totalMs: 10 };
  await assert.rejects(
    retry({ policy, what: 'Call' }, () => new Promise<never>(() => {})),
    (error) => isG8Error(error, 'ERR_TIMEOUT'),
  );
});

test('retry() ends its delay when the signal aborts', async () => {
  const controller = new AbortController();
  const policy = { ...POLICY, delayMsMin: 60_000, delayMsMax: 60_000, totalMs: 600_000 };
  const failing = retry(
    {
      policy,
      what: 'Call',
      signal: controller.signal,
      onRetry: () => setImmediate(() => controller.abort()),
    },
    async () => {
      throw down();
    },
  );
  await assert.rejects(failing, (error) => isG8Error(error, 'ERR_ABORTED'));
});

test('retry() does not repeat once its caller has aborted', async () => {
  const controller = new AbortController();
  let calls = 0;
  const failing = retry(
    { policy: POLICY, what: 'Call', signal: controller.signal, clock: fakeClock() },
    async () => {
      calls++;
      controller.abort();
      throw abortError(controller.signal);
    },
  );
  await assert.rejects(failing, (error) => isG8Error(error, 'ERR_ABORTED'));
  assert.equal(calls, 1);
});

test('retryDelayMs() is a random part of the bound', () => {
  const delay = (random: number) => retryDelayMs(POLICY, 1, undefined, { random: () => random });
  assert.equal(delay(0), 0);
  assert.equal(delay(0.5), 50);
});

test('retryDelayMs() waits at least as long as the server asks', () => {
  const error = down({ retryAfterMs: 2000 });
  assert.equal(retryDelayMs(POLICY, 1, error, { random: () => 0.5 }), 2050);
});
