import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { blake2b } from '../../../../src/base/blake2b.ts';
import { CODEC, DIGEST } from '../../../../src/base/codec.ts';
import { contentDigest } from '../../../../src/format/index/content-digest.ts';
import { chunkOf, contentOf, HOLE } from '../../../support/index-trees.ts';

const LOST_ROW = Buffer.alloc(32, 0xff);
const HOLE_ROW = Buffer.alloc(32);

/** The digest by the letter of the format. */
function expected(algorithm: number, log2BlockSize: number, size: number, rows: Uint8Array[]) {
  const numbers = Buffer.alloc(10);
  numbers.writeUInt8(algorithm, 0);
  numbers.writeUInt8(log2BlockSize, 1);
  numbers.writeBigUInt64LE(BigInt(size), 2);
  return blake2b(Buffer.concat([Buffer.from('g8ufs content 1\0'), numbers, ...rows]), 32);
}

describe('contentDigest()', () => {
  test('is the plain digest of an only chunk', () => {
    const content = contentOf('only', 100);
    assert.deepEqual(contentDigest(content), content.chunks[0]?.plainDigest);
  });

  test('covers the row of an only chunk with a legacy digest', () => {
    const chunk = { ...chunkOf('x'), codec: CODEC.legacyG2, plainDigest: blake2b(HOLE_ROW, 16) };
    const content = { ...contentOf('', 100, [chunk]), algorithm: DIGEST.blake2b128 };
    const row = Buffer.concat([chunk.plainDigest, Buffer.alloc(16)]);
    assert.deepEqual(contentDigest(content), expected(2, 19, 100, [row]));
  });

  test('covers an only hole', () => {
    assert.deepEqual(contentDigest(contentOf('', 100, [HOLE])), expected(1, 19, 100, [HOLE_ROW]));
  });

  test('covers a lost chunk', () => {
    assert.deepEqual(contentDigest(contentOf('', 100, [])), expected(1, 19, 100, [LOST_ROW]));
  });

  test('covers data, holes and lost chunks in order', () => {
    const size = 3 * 524_288;
    const data = chunkOf('data');
    const rows = [HOLE_ROW, data.plainDigest, LOST_ROW];
    assert.deepEqual(contentDigest(contentOf('', size, [HOLE, data])), expected(1, 19, size, rows));
  });

  test('covers more rows than are digested at once', () => {
    const content = { ...contentOf('many', 1), size: 5000 * 4096, blockSize: 4096 };
    const chunks = Array.from({ length: 5000 }, (_, i) => chunkOf(String(i)));
    const rows = chunks.map((chunk) => chunk.plainDigest);
    assert.deepEqual(contentDigest({ ...content, chunks }), expected(1, 12, content.size, rows));
  });

  test('does not depend on where chunks are stored', () => {
    const content = contentOf('moved', 2_000_000);
    const chunks = content.chunks.map((chunk) => ({ ...chunk, id: HOLE_ROW, storedSize: 1 }));
    assert.deepEqual(contentDigest({ ...content, chunks }), contentDigest(content));
  });
});
