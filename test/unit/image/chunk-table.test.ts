import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { ChunkTable, Numbers } from '../../../src/image/chunk-table.ts';

test('ChunkTable numbers ids in the order in which they come, each once', () => {
  const table = new ChunkTable();
  const ids = Array.from(
    { length: 10_000 },
    (_, i) => new Uint8Array(randomBytes(i % 2 ? 16 : 32)),
  );
  for (const [i, id] of ids.entries()) assert.equal(table.add(id), i);
  for (const [i, id] of ids.entries()) {
    assert.equal(table.get(id), i);
    assert.equal(table.add(id), i);
  }
  assert.equal(table.count, ids.length);
  assert.equal(table.get(new Uint8Array(32)), undefined);
});

test('ChunkTable keeps ids apart that differ in one byte', () => {
  const table = new ChunkTable();
  for (let at = 0; at < 32; at++) {
    const id = new Uint8Array(32).fill(7);
    id[at] = 8;
    assert.equal(table.add(id), at);
  }
  assert.equal(table.count, 32);
});

test('Numbers are zero until they are set, however far apart', () => {
  const numbers = new Numbers();
  numbers.set(1_000_000, 5);
  numbers.add(1_000_000, 2);
  numbers.add(3, -1);
  assert.deepEqual(
    [0, 3, 999_999, 1_000_000, 2_000_000].map((at) => numbers.get(at)),
    [0, -1, 0, 7, 0],
  );
});
