import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockChecksum, CHECKSUM, maskCrc } from '../../../../src/format/rocksdb/checksum.ts';

const block = Uint8Array.of(1, 2, 3, 0);

test('maskCrc() rotates by 15 bits and adds a constant', () => {
  assert.equal(maskCrc(0), 0xa282ead8);
  assert.equal(maskCrc(0x8000), 0xa282ead9);
  assert.equal(maskCrc(0xffffffff), 0xa282ead7);
});

test('blockChecksum() is undefined for a table without checksums', () => {
  assert.equal(blockChecksum(CHECKSUM.none, block), undefined);
});

for (const [name, type] of Object.entries(CHECKSUM)) {
  if (type === CHECKSUM.none) continue;
  test(`blockChecksum() with ${name} covers the compression type`, () => {
    const other = Uint8Array.from(block).fill(1, -1);
    const checksum = blockChecksum(type, block) as number;
    assert.ok(Number.isInteger(checksum) && checksum >= 0 && checksum < 2 ** 32);
    assert.notEqual(blockChecksum(type, other), checksum);
  });
}
