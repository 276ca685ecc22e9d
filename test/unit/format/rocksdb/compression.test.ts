import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  BLOCK_SIZE_MAX,
  COMPRESSION,
  decompressBlock,
} from '../../../../src/format/rocksdb/compression.ts';
import { Output } from '../../../../src/format/rocksdb/output.ts';

const PLAIN = new Uint8Array(Buffer.from('many words, many words, many words'));
const DEFLATED = deflateRawSync(PLAIN);
const LZ4 = Uint8Array.of(0xf0, PLAIN.length - 15, ...PLAIN);

function stored(compression: number, ...parts: Uint8Array[]) {
  const bytes = new Output();
  for (const part of parts) bytes.bytes(part);
  return { file: 'x.sst', offset: 9, bytes: bytes.concat(), compression };
}
const varint = (value: number): Uint8Array => new Output().varint(value).concat();

for (const [name, block, formatVersion] of [
  ['uncompressed', stored(COMPRESSION.none, PLAIN), 2],
  ['zlib without a size', stored(COMPRESSION.zlib, DEFLATED), 1],
  ['zlib', stored(COMPRESSION.zlib, varint(PLAIN.length), DEFLATED), 2],
  [
    'LZ4 with an 8-byte size',
    stored(COMPRESSION.lz4, Uint8Array.of(PLAIN.length, 0, 0, 0, 9, 9, 9, 9), LZ4),
    1,
  ],
  ['LZ4', stored(COMPRESSION.lz4, varint(PLAIN.length), LZ4), 2],
  ['LZ4 HC', stored(COMPRESSION.lz4hc, varint(PLAIN.length), LZ4), 5],
] as const) {
  test(`decompressBlock() reads a block of ${name} in format ${formatVersion}`, () => {
    assert.deepEqual(new Uint8Array(decompressBlock(block, formatVersion)), PLAIN);
  });
}

for (const [problem, block] of [
  ['another size than stated', stored(COMPRESSION.zlib, varint(PLAIN.length + 1), DEFLATED)],
  ['more than the stated size', stored(COMPRESSION.zlib, varint(PLAIN.length - 1), DEFLATED)],
  ['no compressed data', stored(COMPRESSION.zlib, varint(5), Uint8Array.of(255, 255))],
  ['a size that deflate cannot reach', stored(COMPRESSION.zlib, varint(1e6), DEFLATED)],
  ['a size above the limit', stored(COMPRESSION.zstd, varint(BLOCK_SIZE_MAX + 1), LZ4)],
  ['no size', stored(COMPRESSION.lz4)],
] as const) {
  test(`decompressBlock() rejects a block with ${problem}`, () => {
    assert.throws(
      () => decompressBlock(block, 2),
      (error) => isG8Error(error, 'ERR_FLIST_FORMAT') && error.details['file'] === 'x.sst',
    );
  });
}

test('decompressBlock() refuses other compressions', () => {
  for (const type of [3, 6, 64]) {
    assert.throws(
      () => decompressBlock(stored(type, PLAIN), 2),
      (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
    );
  }
});
