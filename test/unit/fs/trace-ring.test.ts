import assert from 'node:assert/strict';
import test from 'node:test';
import { Miss } from '../../../src/fs/miss.ts';
import { TraceRing } from '../../../src/fs/trace-ring.ts';

function miss(nid: number) {
  const wanted = { content: 0, block: 0, count: 1, nid, offset: 0, size: 1, waitedMs: 0 };
  return new Miss(wanted).report();
}

const opened = (nid: number) => ({ nid, complete: true, agoMs: 0 });

test('TraceRing keeps nothing until somebody reads, and nothing when nobody does any more', () => {
  let now = 0;
  const ring = new TraceRing(() => now);
  ring.addMiss(miss(1));
  assert.deepEqual(ring.read(undefined), { events: [], next: 0, lost: 0 });
  ring.addMiss(miss(2));
  const { events, next } = ring.read(0);
  assert.deepEqual([events.length, next], [1, 1]);
  assert.deepEqual(ring.read(next).events, []);
  now += 10_001;
  ring.addMiss(miss(3));
  assert.deepEqual(ring.read(next), { events: [], next: 1, lost: 0 });
});

test('TraceRing reports an inode that was opened once, and not one that has waited', () => {
  const ring = new TraceRing();
  ring.read(undefined);
  ring.addMiss(miss(1));
  ring.addOpens([opened(1), opened(2)]);
  ring.addOpens([opened(2)]);
  const { events } = ring.read(0);
  assert.deepEqual(
    events.map((event) => [event.type, event.type === 'miss' ? event.miss.nid : event.nid]),
    [
      ['miss', 1],
      ['first-open', 2],
    ],
  );
});

test('TraceRing says how many events a slow reader has lost', () => {
  const ring = new TraceRing();
  const { next } = ring.read(undefined);
  for (let i = 0; i < 10_000; i++) ring.addMiss(miss(i));
  const page = ring.read(next);
  assert.equal(page.next, 10_000);
  assert.equal(page.lost + page.events.length, 10_000);
  assert.ok(page.events.length >= 4096 && page.events.length < 8192);
  // A number of another daemon's life is no reason to fail.
  assert.deepEqual(ring.read(1e9), { events: [], next: 10_000, lost: 0 });
});

test('TraceRing tells when nobody reads any more', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const ring = new TraceRing();
  let idle = 0;
  ring.onIdle = () => idle++;
  ring.read(undefined);
  t.mock.timers.tick(9_000);
  ring.read(undefined);
  t.mock.timers.tick(9_000);
  assert.equal(idle, 0);
  t.mock.timers.tick(1_001);
  assert.equal(idle, 1);
});
