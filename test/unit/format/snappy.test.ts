import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { decodeSnappy } from '../../../src/format/snappy.ts';

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const isFormat = (error: unknown): boolean => isG8Error(error, 'ERR_FLIST_FORMAT');

test('decodeSnappy() reads an empty block', () => {
  assert.deepEqual(decodeSnappy(Uint8Array.of(0), 10), new Uint8Array(0));
});

test('decodeSnappy() reads a short literal', () => {
  assert.deepEqual(decodeSnappy(Uint8Array.of(3, 2 << 2, 97, 98, 99), 10), ascii('abc'));
});

for (const [tagSize, length] of [
  [1, 200],
  [2, 3000],
  [3, 70_000],
] as const) {
  test(`decodeSnappy() reads a literal with ${tagSize} bytes of length`, () => {
    const text = new Uint8Array(length).map((_, index) => index);
    const size = [(length & 127) | 128, ((length >> 7) & 127) | (length >> 14 ? 128 : 0)];
    if (length >> 14) size.push(length >> 14);
    const lengthBytes = Array.from({ length: tagSize }, (_, i) => ((length - 1) >> (8 * i)) & 255);
    const input = Uint8Array.of(...size, (59 + tagSize) << 2, ...lengthBytes, ...text);
    assert.deepEqual(decodeSnappy(input, length), text);
  });
}

test('decodeSnappy() reads copies with one, two and four bytes of distance', () => {
  const literal = [3 << 2, ...ascii('abcd')];
  const copies = [1 | (0 << 2), 4, 2 | (1 << 2), 2, 0, 3 | (2 << 2), 1, 0, 0, 0];
  const output = decodeSnappy(Uint8Array.of(13, ...literal, ...copies), 13);
  assert.deepEqual(output, ascii('abcdabcdcdddd'));
});

test('decodeSnappy() repeats a pattern when a copy overlaps its output', () => {
  const input = Uint8Array.of(22, 1 << 2, ...ascii('ab'), 2 | (19 << 2), 2, 0);
  assert.deepEqual(decodeSnappy(input, 22), ascii('ab'.repeat(11)));
});

for (const [problem, bytes] of [
  ['no bytes', []],
  ['a size without end', [255, 255, 255, 255, 255, 1]],
  ['a size above the limit', [101, 2 << 2, 97, 98, 99]],
  ['a size that the input cannot expand to', [100, 0, 97]],
  ['an output shorter than stated', [4, 2 << 2, 97, 98, 99]],
  ['a literal beyond the stated size', [2, 2 << 2, 97, 98, 99]],
  ['a literal beyond the input', [20, 9 << 2, 97, 98]],
  ['a cut off literal length', [20, 61 << 2, 5]],
  ['a cut off copy', [8, 0, 97, 2 | (6 << 2), 1]],
  ['a copy from before the beginning', [5, 0, 97, 1, 2]],
  ['a copy with distance zero', [5, 0, 97, 1, 0]],
  ['a copy beyond the stated size', [4, 0, 97, 1, 1]],
] as const) {
  test(`decodeSnappy() rejects ${problem}`, () => {
    assert.throws(() => decodeSnappy(Uint8Array.from(bytes), 100), isFormat);
  });
}
