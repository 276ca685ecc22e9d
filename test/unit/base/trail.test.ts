import assert from 'node:assert/strict';
import test from 'node:test';
import { longestStage, noTimes, Trail } from '../../../src/base/trail.ts';

function times(trail: Trail, from: number, to: number) {
  const spent = noTimes();
  trail.addTimes(spent, from, to);
  return spent;
}

test('Trail.addTimes() splits a wait by the stages of the load', () => {
  const trail = new Trail('queue', 100);
  trail.enter('network', 110);
  trail.enter('queue', 150);
  trail.enter('decode', 155);
  trail.end(160);
  assert.deepEqual(times(trail, 100, 160), { queue: 15, network: 40, decode: 5, disk: 0 });
  // Somebody who came later and left earlier.
  assert.deepEqual(times(trail, 120, 152), { queue: 2, network: 30, decode: 0, disk: 0 });
  // What was before the load began is its queue.
  assert.deepEqual(times(trail, 90, 105), { queue: 15, network: 0, decode: 0, disk: 0 });
});

test('Trail.addTimes() of a load that follows another counts what that one waited for', () => {
  const chunk = new Trail('queue', 50);
  chunk.enter('network', 120);
  chunk.store = 'http://hub/';
  const block = new Trail('disk', 100);
  block.chunk = 'abc';
  block.follow(chunk, 110);
  assert.deepEqual(block.current(), { stage: 'network', chunk: 'abc', store: 'http://hub/' });
  block.enter('decode', 150);
  assert.deepEqual(block.current(), { stage: 'decode', chunk: 'abc', store: 'http://hub/' });
  assert.deepEqual(times(block, 100, 155), { queue: 10, network: 30, decode: 5, disk: 10 });
});

test('Trail keeps a bounded number of marks: the last stage goes on', () => {
  const trail = new Trail('queue', 0);
  for (let at = 1; at < 1000; at++) trail.enter(at % 2 === 0 ? 'queue' : 'network', at);
  const spent = times(trail, 0, 1000);
  assert.equal(spent.queue + spent.network, 1000);
  assert.equal(Math.max(spent.queue, spent.network), 968);
});

test('longestStage() is the one that took the most', () => {
  assert.equal(longestStage({ queue: 1, network: 5, decode: 2, disk: 0 }), 'network');
  assert.equal(longestStage(noTimes()), 'queue');
});
