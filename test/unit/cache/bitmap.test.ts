import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearBit, countBits, createBitmap, hasBit, setBit } from '../../../src/cache/bitmap.ts';

test('bits are set, cleared and counted one by one', () => {
  const bitmap = createBitmap(17);
  assert.equal(bitmap.length, 3);
  for (const index of [0, 7, 8, 16]) setBit(bitmap, index);
  assert.deepEqual([...bitmap], [0b1000_0001, 1, 1]);
  assert.equal(countBits(bitmap, 17), 4);
  assert.equal(countBits(bitmap, 8), 2);
  clearBit(bitmap, 7);
  assert.deepEqual([hasBit(bitmap, 0), hasBit(bitmap, 7)], [true, false]);
});
