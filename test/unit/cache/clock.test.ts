import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startClock } from '../../../src/cache/clock.ts';

test('the clock begins behind the last use, however the system clock stands', () => {
  const ahead = startClock(5_000_000, 1_000);
  const behind = startClock(1_000, 5_000_000);
  for (const now of [ahead, behind]) {
    const first = now();
    assert.ok(first >= 5_000_000);
    assert.ok(now() >= first, 'it never goes back');
  }
});
