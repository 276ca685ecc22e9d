import assert from 'node:assert/strict';
import test from 'node:test';
import { G8Error } from '../../../src/base/errors.ts';
import { STAGES, Trail } from '../../../src/base/trail.ts';
import { Miss, type Wanted } from '../../../src/fs/miss.ts';
import { addMissTotals, MissLog, noMissTotals, WAIT_BUCKETS_S } from '../../../src/fs/miss-log.ts';

const names = { find: async () => undefined };

function wanted(more: Partial<Wanted> = {}): Wanted {
  return { content: 0, block: 0, count: 1, nid: 36, offset: 0, size: 4096, waitedMs: 0, ...more };
}

test('Miss.report() begins with the wait for the event loop', () => {
  const miss = new Miss(wanted({ waitedMs: 100 }), 1000);
  const report = miss.report(1020);
  assert.equal(report.ms, 120);
  assert.deepEqual(report.times, { queue: 100, network: 0, decode: 0, disk: 20 });
  assert.equal(report.reason, 'disk', 'what it waits for now');
});

test('Miss.report() is about the load that goes on longest', () => {
  const now = performance.now();
  const miss = new Miss(wanted(), now);
  const [fast, slow] = [new Trail('queue', now), new Trail('queue', now)];
  for (const [trail, store] of [
    [fast, 'fast'],
    [slow, 'slow'],
  ] as const) {
    trail.store = store;
    trail.chunk = `${store} chunk`;
    trail.enter('network', now);
    miss.addLoad(trail);
  }
  fast.end(now + 10);
  assert.deepEqual(miss.state(), { stage: 'network', chunk: 'slow chunk', store: 'slow' });
  slow.end(now + 5);
  assert.equal(miss.state().store, 'fast', 'both have ended, this one later');
});

test('Miss.report() of a read ends with its last block, of an open with the file in its place', () => {
  for (const [size, isOpen] of [
    [4096, false],
    [0, true],
  ] as const) {
    const now = performance.now();
    const miss = new Miss(wanted({ size }), now);
    miss.fileSize = 77;
    const load = new Trail('network', now);
    miss.addLoad(load);
    // In the past of the end, which is now.
    load.end(now);
    miss.end();
    const { ms, times, kind, size: range } = miss.report();
    assert.equal(kind, isOpen ? 'open' : 'read');
    assert.equal(range, isOpen ? 77 : 4096);
    assert.equal(ms > 0, isOpen);
    const sum = STAGES.reduce((total, stage) => total + times[stage], 0);
    assert.ok(Math.abs(sum - ms) < 0.001, `${sum} is ${ms}`);
  }
});

test('MissLog keeps the slowest, sums and errors of waits that have ended', () => {
  const log = new MissLog({ mountPoint: '/mnt/a', names });
  for (let i = 0; i < 40; i++) {
    const miss = log.begin(wanted({ nid: i, waitedMs: (i * 7) % 40 }));
    assert.equal(log.waiting().length, 1);
    log.end(miss, i === 3 ? new G8Error('ERR_TIMEOUT', 'Late') : undefined);
    log.end(miss);
  }
  assert.deepEqual(log.waiting(), []);
  const slowest = log.slowest();
  assert.equal(slowest.length, 16);
  assert.deepEqual(
    slowest.map(({ ms }) => Math.floor(ms)),
    [...slowest].map(({ ms }) => Math.floor(ms)).sort((a, b) => b - a),
  );
  const least = slowest.at(-1)?.ms ?? 0;
  assert.ok(least >= 24, `${least} is among the slowest`);
  const { waits } = log.totals;
  assert.equal(waits.count, 40);
  assert.equal(waits.failed, 1);
  assert.ok(waits.ms >= 40 * 19.5);
  assert.equal(
    waits.buckets.reduce((sum, count) => sum + count),
    40,
  );
  assert.equal(waits.buckets.length, WAIT_BUCKETS_S.length + 1);
});

test('MissLog.watcher() counts for readers, ahead of them, and for a prefetch', () => {
  const log = new MissLog({ mountPoint: '/mnt/a', names });
  const watcher = log.watcher('demand');
  watcher.onCall();
  watcher.onChunk(10);
  watcher.onChunk(20);
  log.watcher('ahead').onChunk(5);
  log.watcher('prefetch').onChunk(7);
  assert.deepEqual(log.totals.demand, { calls: 1, chunks: 2, bytes: 30 });
  assert.deepEqual(log.totals.ahead, { calls: 0, chunks: 1, bytes: 5 });
  assert.deepEqual(log.totals.prefetch, { calls: 0, chunks: 1, bytes: 7 });
  const sum = noMissTotals();
  addMissTotals(sum, log.totals);
  addMissTotals(sum, log.totals);
  assert.deepEqual(sum.demand, { calls: 2, chunks: 4, bytes: 60 });
});
