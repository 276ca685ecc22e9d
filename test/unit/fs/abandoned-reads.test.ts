import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { AbandonedReads } from '../../../src/fs/abandoned-reads.ts';
import type { Need } from '../../../src/native/addon.ts';

const needOf = (session: number, content: number, image?: number): Need => ({
  ...{ session, content, block: 0, count: 1, nid: 1, offset: 0, size: 1, waitedMs: 0 },
  ...(image !== undefined && { image }),
});

test('a load ends within a second when nobody waits for its content any more', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const waiting: Record<number, number[]> = { 1: [0, 7, 0, 8], 2: [3, 7] };
  let looks = 0;
  const reads = new AbandonedReads({
    sessionWaits: (session) => {
      looks++;
      return new Uint32Array(waiting[session] ?? []);
    },
  });
  const loads = [needOf(1, 7), needOf(1, 8), needOf(2, 7, 3), needOf(3, 7)].map((need) =>
    reads.add(need),
  );
  const ended = (): boolean[] => loads.map(({ signal }) => signal.aborted);
  t.mock.timers.tick(1_000);
  assert.deepEqual(ended(), [false, false, false, true]);
  assert.ok(isG8Error(loads[3]?.signal.reason, 'ERR_ABORTED'));
  waiting[1] = [0, 8];
  t.mock.timers.tick(1_000);
  assert.deepEqual(ended(), [true, false, false, true]);

  for (const { end } of loads) end();
  const before = looks;
  t.mock.timers.tick(10_000);
  assert.equal(looks, before, 'nobody is asked while nothing is loaded');
});
