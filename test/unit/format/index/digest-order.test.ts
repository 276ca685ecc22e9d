import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { blake2b } from '../../../../src/base/blake2b.ts';
import { sortDigests } from '../../../../src/format/index/digest-order.ts';

function sorted(digests: readonly Uint8Array[]): number[] {
  return [...sortDigests(new Uint8Array(Buffer.concat(digests)))];
}

describe('sortDigests()', () => {
  test('sorts by all bytes', () => {
    const digests = Array.from({ length: 1000 }, (_, i) => blake2b(Buffer.from(String(i)), 32));
    const expected = digests
      .map((digest, i) => ({ digest, i }))
      .sort((a, b) => Buffer.compare(a.digest, b.digest))
      .map(({ i }) => i);
    assert.deepEqual(sorted(digests), expected);
  });

  test('sorts digests with a common beginning', () => {
    const digests = [3, 1, 2, 0].map((last) => new Uint8Array(32).fill(last, 31));
    assert.deepEqual(sorted(digests), [3, 1, 2, 0]);
  });

  test('keeps the order of equal digests', () => {
    const digests = [2, 1, 2, 1].map((byte) => new Uint8Array(32).fill(byte));
    assert.deepEqual(sorted(digests), [1, 3, 0, 2]);
  });

  test('sorts nothing', () => {
    assert.deepEqual(sorted([]), []);
  });
});
