import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changes, growth } from '../../../benchmarks/support/chaos/growth.ts';
import type { Sample } from '../../../benchmarks/support/chaos/sample.ts';
import { pausesOf } from '../../../benchmarks/support/takeover/pauses.ts';
import type { LoadReport, Slow } from '../../../benchmarks/support/takeover/report.ts';

const report = (...slow: Slow[]): LoadReport => ({
  operations: 10,
  failed: 0,
  wrong: 0,
  words: [],
  slow,
});

test('a pause is the longest wait of any load that meets the moment', () => {
  const reports = new Map([
    // Over before; begun before; begun just after; begun long after.
    ['a', report([500, 100], [900, 300])],
    ['b', report([1100, 450], [5000, 9000])],
  ]);
  const { once, again } = pausesOf({ moments: [{ ms: 1000, early: false }], reports });
  assert.deepEqual(once, { count: 1, p50: 450, p99: 450, max: 450 });
  assert.equal(again.count, 0);
});

test('a daemon that did not work yet counts apart, and so does the one before it', () => {
  const reports = new Map([['a', report([1000, 900], [4000, 300], [6000, 20])]]);
  const moments = [
    { ms: 1000, early: false },
    { ms: 1500, early: true },
    { ms: 4000, early: false },
    { ms: 8000, early: false },
  ];
  const { once, again } = pausesOf({ moments, reports });
  assert.deepEqual(again, { count: 2, p50: 900, p99: 900, max: 900 });
  // The last one was met by nobody.
  assert.deepEqual(once, { count: 2, p50: 300, p99: 300, max: 300 });
});

const STEADY: Sample = {
  seconds: 0,
  daemonRss: 130,
  daemonAnonymous: 80,
  daemonHeap: 25,
  daemonFds: 150,
  daemonThreads: 30,
  keeperRss: 1,
  keeperFds: 36,
  keeperThreads: 1,
  connections: 8,
  mounts: 11,
  cache: 90,
  state: 1,
  runFiles: 20,
  leftFiles: 0,
  log: 0,
  sharedMemoryFiles: 1,
};

test('what stays flat but for a peak has not grown', () => {
  const samples = Array.from({ length: 30 }, (_, index) => ({
    ...STEADY,
    // Its log, and the time, may.
    seconds: index,
    log: index,
    keeperFds: index === 25 ? 40 : 36,
  }));
  assert.deepEqual(growth(changes(samples)), []);
});

test('a descriptor, a connection or memory that stays behind is growth', () => {
  const samples = Array.from({ length: 30 }, (_, index) => ({
    ...STEADY,
    keeperFds: 36 + 3 * Math.floor(index / 10),
    connections: 8 + Math.floor(index / 10),
    daemonAnonymous: 80 + index * 2,
  }));
  assert.deepEqual(growth(changes(samples)), [
    'daemonAnonymous has grown from 90 to 130',
    'keeperFds has grown from 36 to 42',
    'connections has grown from 8 to 10',
  ]);
});
