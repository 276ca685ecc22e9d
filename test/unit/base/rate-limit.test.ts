import assert from 'node:assert/strict';
import test from 'node:test';
import { RateLimit } from '../../../src/base/rate-limit.ts';

/** A clock on which sleeping takes no time. */
function fakeClock() {
  const clock = {
    nowMs: 0,
    now: () => clock.nowMs,
    sleep: async (ms: number) => {
      clock.nowMs += ms;
    },
  };
  return clock;
}

test('RateLimit lets the first through at once and the next when its time has come', async () => {
  const clock = fakeClock();
  const rate = new RateLimit(1000, clock);
  const times: number[] = [];
  for (const amount of [500, 2000, 1]) {
    await rate.take(amount);
    times.push(clock.nowMs);
  }
  assert.deepEqual(times, [0, 500, 2500]);
});

test('RateLimit saves nothing up', async () => {
  const clock = fakeClock();
  const rate = new RateLimit(1000, clock);
  await rate.take(100);
  clock.nowMs = 10_000;
  await rate.take(1000);
  await rate.take(1);
  assert.equal(clock.nowMs, 11_000);
});

test('RateLimit gives those who come together their turns one by one', async () => {
  const waits: number[] = [];
  const rate = new RateLimit(1000, { now: () => 0, sleep: async (ms) => void waits.push(ms) });
  await Promise.all([rate.take(300), rate.take(300), rate.take(300)]);
  assert.deepEqual(waits, [300, 600]);
});

test('RateLimit refuses a rate that lets nothing through', () => {
  for (const rate of [0, -1, Number.NaN]) assert.throws(() => new RateLimit(rate), RangeError);
});
