import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Trail } from '../../../src/base/trail.ts';
import type { LoadWatcher } from '../../../src/cache/fetch.ts';
import { BLOCK, content, openCache, RecordingStore } from '../../support/cache-fixture.ts';
import { gate } from '../../support/gate.ts';

/** Writes down what a fill tells. */
class Watcher implements LoadWatcher {
  readonly trails = new Map<number, Trail>();
  calls = 0;
  sizes: number[] = [];
  onBlock(block: number, trail: Trail): void {
    this.trails.set(block, trail);
  }
  onCall(): void {
    this.calls++;
  }
  onChunk(size: number): void {
    this.sizes.push(size);
  }
}

test('fill() tells its watcher what each block waits for, and what was fetched', async (t) => {
  const { cache } = await openCache(t);
  const file = content(3, 1);
  const store = new RecordingStore([file], 'http://slow.example/');
  const held = gate();
  const asked = gate();
  store.intercept = async (_id, bytes) => {
    asked.open();
    await held.opened;
    return bytes;
  };
  await cache.attach(file);
  const watcher = new Watcher();
  const filled = cache.fill(file, 0, 2, { store, priority: 'demand', watcher });
  await asked.opened;
  assert.deepEqual([...watcher.trails.keys()], [0, 1]);
  for (const [block, trail] of watcher.trails) {
    const chunk = Buffer.from(file.chunk(block).id).toString('hex');
    assert.deepEqual(trail.current(), { stage: 'network', chunk, store: store.name });
    assert.equal(trail.endedAt, undefined);
  }
  // Another caller of the same block watches the same load, and has no part in what it fetches.
  const second = new Watcher();
  const joined = cache.fill(file, 1, 1, { store, priority: 'demand', watcher: second });
  while (second.trails.size === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(second.trails.get(1), watcher.trails.get(1));
  held.open();
  await Promise.all([filled, joined]);
  for (const trail of watcher.trails.values()) {
    assert.ok(trail.endedAt !== undefined);
    assert.equal(trail.current().stage, 'decode');
  }
  assert.deepEqual([watcher.calls, watcher.sizes], [1, [BLOCK, BLOCK]]);
  assert.deepEqual([second.calls, second.sizes], [0, []]);
});
