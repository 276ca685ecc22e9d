import assert from 'node:assert/strict';
import test from 'node:test';
import { parseRestartPolicy, Restarts } from '../../../../src/core/container/restart.ts';

function delays(policy: string, ends: readonly (readonly [code: number, ranMs: number])[]) {
  const restarts = new Restarts(parseRestartPolicy(policy));
  return ends.map(([code, ranMs]) => restarts.next(code, ranMs));
}

test('a command without a policy is not started again', () => {
  assert.deepEqual(delays('no', [[1, 0]]), [undefined]);
});

test('on-failure starts what failed again, as often as it says, and nothing that ended well', () => {
  assert.deepEqual(delays('on-failure', [[0, 5]]), [undefined]);
  const failure = [1, 5] as const;
  assert.deepEqual(delays('on-failure:2', [failure, failure, failure]), [500, 1000, undefined]);
});

test('always waits twice as long each time up to a minute, and anew after a run of ten seconds', () => {
  const short = Array.from({ length: 9 }, () => [0, 5] as const);
  const expected = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 500];
  assert.deepEqual(delays('always', [...short, [0, 10_000]]), expected);
});

test('a failure after ten seconds counts as the first', () => {
  const ends = [
    [1, 5],
    [1, 20_000],
    [1, 5],
  ] as const;
  assert.deepEqual(delays('on-failure:1', ends), [500, 500, undefined]);
});

test('other words are no policy', () => {
  for (const text of ['', 'on-failure:0', 'on-failure:x', 'unless-stopped']) {
    assert.throws(() => parseRestartPolicy(text), { code: 'ERR_USAGE' });
  }
});
