import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { Input } from '../../../../src/format/rocksdb/input.ts';
import { Output } from '../../../../src/format/rocksdb/output.ts';

const input = (...bytes: number[]): Input => new Input('file', Uint8Array.from(bytes), 100);
const isFormat = (error: unknown): boolean => isG8Error(error, 'ERR_FLIST_FORMAT');

for (const value of [0, 1, 127, 128, 16383, 16384, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
  test(`Input.varint64() reads what Output.varint() writes: ${value}`, () => {
    const read = new Input('file', new Output().varint(value).concat());
    assert.equal(read.varint64(), value);
    assert.equal(read.remaining, 0);
  });
}

test('Input reads fixed numbers as little endian', () => {
  const read = input(0xff, 0, 0, 0x80, 1, 0, 0, 0, 2, 0, 0, 0);
  assert.equal(read.fixed32(), 0x800000ff);
  assert.equal(read.fixed64(), 2 * 2 ** 32 + 1);
});

test('Input.signed64() undoes the zigzag code', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((code) => input(code).signed64()),
    [0, -1, 1, -2, 2],
  );
});

test('Input.slice() returns a view', () => {
  const bytes = Uint8Array.of(2, 8, 9, 7);
  const slice = new Input('file', bytes).slice();
  assert.deepEqual(slice, Uint8Array.of(8, 9));
  assert.equal(slice.buffer, bytes.buffer);
});

test('Input names file and offset in its errors', () => {
  const read = input(1, 5);
  read.byte();
  assert.throws(() => read.slice(), {
    code: 'ERR_FLIST_FORMAT',
    details: { file: 'file', offset: 102 },
  });
});

for (const [problem, read] of [
  ['a fixed number beyond the end', () => input(1, 2, 3).fixed32()],
  ['a number without end', () => input(...new Array<number>(11).fill(255)).varint64()],
  ['a cut off number', () => input(128).varint32()],
  ['a 32-bit number of more bits', () => input(255, 255, 255, 255, 31).varint32()],
  ['a varint above 2^53 - 1', () => input(...new Array<number>(7).fill(128), 32).varint64()],
  ['a fixed number above 2^53 - 1', () => input(0, 0, 0, 0, 0, 0, 32, 0).fixed64()],
  ['a slice beyond the end', () => input(3, 1, 2).slice()],
] as const) {
  test(`Input rejects ${problem}`, () => {
    assert.throws(read, isFormat);
  });
}
