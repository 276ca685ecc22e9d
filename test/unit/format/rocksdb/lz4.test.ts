import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { decodeLz4 } from '../../../../src/format/rocksdb/lz4.ts';

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

test('decodeLz4() reads literals', () => {
  assert.deepEqual(decodeLz4(Uint8Array.of(3 << 4, ...ascii('abc')), 3), ascii('abc'));
});

test('decodeLz4() reads a match that overlaps its output', () => {
  const input = Uint8Array.of((2 << 4) | 4, ...ascii('ab'), 2, 0, 1 << 4, ...ascii('!'));
  assert.deepEqual(decodeLz4(input, 11), ascii('ababababab!'));
});

test('decodeLz4() reads extended lengths', () => {
  const input = Uint8Array.of(0xff, 255, 30, ...new Uint8Array(300).fill(97), 1, 0, 255, 1, 0);
  assert.deepEqual(decodeLz4(input, 575), new Uint8Array(575).fill(97));
});

for (const [problem, bytes, size] of [
  ['an empty block of a size', [], 1],
  ['an output shorter than stated', [1 << 4, 97], 2],
  ['literals beyond the stated size', [2 << 4, 97, 97], 1],
  ['literals beyond the input', [9 << 4, 97, 97], 9],
  ['a length without end', [0xf0, 255, 255], 900],
  ['a cut off distance', [1 << 4, 97, 1], 9],
  ['a distance of zero', [1 << 4, 97, 0, 0], 9],
  ['a match from before the beginning', [1 << 4, 97, 2, 0], 9],
  ['a match beyond the stated size', [(1 << 4) | 9, 97, 1, 0], 9],
  ['a size that the input cannot expand to', [1 << 4, 97], 1e9],
] as const) {
  test(`decodeLz4() rejects ${problem}`, () => {
    assert.throws(
      () => decodeLz4(Uint8Array.from(bytes), size),
      (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
    );
  });
}
