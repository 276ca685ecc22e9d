import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { decodeZstd } from '../../../../src/format/rocksdb/zstd.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const TEXT = Buffer.from('g8ufs g8ufs g8ufs g8ufs g8ufs! 0123456789 g8ufs g8ufs');
// Made by zstd 1.5.4 with --no-check and with --check.
const PLAIN = '28b52ffd2035dd00009067387566732021203031323334353637383902003bb994ba1401';
const CHECKED = '28b52ffd2435dd0000906738756673202120303132333435363738390200477129752902c4658eb2';

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const isFormat = (error: unknown): boolean => isG8Error(error, 'ERR_FLIST_FORMAT');

/** A frame of one-byte size with these blocks. */
function frame(size: number, ...blocks: readonly (readonly [type: number, ...bytes: number[]])[]) {
  const parts = blocks.flatMap(([type, ...bytes], index) => {
    const isLast = index === blocks.length - 1 ? 1 : 0;
    const blockSize = type === 1 ? size : bytes.length;
    const header = isLast | (type << 1) | (blockSize << 3);
    return [header & 255, (header >> 8) & 255, header >> 16, ...bytes];
  });
  return Uint8Array.of(...MAGIC, 0x20, size, ...parts);
}

test('decodeZstd() reads a compressed block', () => {
  assert.deepEqual(Buffer.from(decodeZstd(fromHex(PLAIN), TEXT.length)), TEXT);
});

test('decodeZstd() verifies the checksum of a frame', () => {
  assert.deepEqual(Buffer.from(decodeZstd(fromHex(CHECKED), TEXT.length)), TEXT);
  const damaged = fromHex(CHECKED);
  damaged[damaged.length - 1] = 0;
  assert.throws(() => decodeZstd(damaged, TEXT.length), isFormat);
});

test('decodeZstd() reads raw and repeated blocks', () => {
  assert.deepEqual(decodeZstd(frame(3, [0, 1, 2, 3]), 3), Uint8Array.of(1, 2, 3));
  assert.deepEqual(decodeZstd(frame(4, [1, 9]), 4), Uint8Array.of(9, 9, 9, 9));
});

test('decodeZstd() ends on a Huffman tree whose code reads no bits', () => {
  const hostile = fromHex('28b52ffd206475000042860206f003ffffffffffff0100');
  assert.throws(() => decodeZstd(hostile, 100), isFormat);
});

for (const [problem, input, size] of [
  ['no bytes', new Uint8Array(0), 0],
  ['another magic number', Uint8Array.of(1, 2, 3, 4, 5, 6), 1],
  ['a reserved bit', Uint8Array.of(...MAGIC, 0x28, 0, 1, 0, 0), 0],
  ['a dictionary', Uint8Array.of(...MAGIC, 0x21, 7, 0, 1, 0, 0), 0],
  ['another stated size', frame(3, [0, 1, 2, 3]), 4],
  ['more bytes than stated', frame(3, [0, 1, 2, 3, 4]), 3],
  ['fewer bytes than stated', frame(3, [0, 1, 2]), 3],
  ['a reserved block type', frame(3, [3, 1, 2, 3]), 3],
  ['bytes behind the frame', Uint8Array.of(...frame(1, [0, 1]), 0), 1],
  ['an empty compressed block', frame(1, [2]), 1],
  ['a reused Huffman tree without one', frame(1, [2, 3 | (1 << 4), 64, 0, 1, 0]), 1],
] as const) {
  test(`decodeZstd() rejects ${problem}`, () => {
    assert.throws(() => decodeZstd(input, size), isFormat);
  });
}

test('decodeZstd() rejects every truncation', () => {
  const whole = fromHex(CHECKED);
  for (let size = 0; size < whole.length; size++) {
    assert.throws(() => decodeZstd(whole.subarray(0, size), TEXT.length), isFormat);
  }
});
