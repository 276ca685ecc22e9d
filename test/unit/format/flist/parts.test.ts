import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  gzipParts,
  PARTS_TAIL_SIZE,
  type PartsTable,
  readPartsTable,
  unpackPart,
} from '../../../../src/format/flist/parts.ts';

const PART_SIZE = 128 * 1024;

async function pack(plain: Uint8Array, pieceSize = 1000): Promise<Buffer> {
  async function* pieces() {
    for (let at = 0; at < plain.length; at += pieceSize) yield plain.subarray(at, at + pieceSize);
  }
  const packed: Uint8Array[] = [];
  for await (const piece of gzipParts(pieces(), plain.length)) packed.push(piece);
  return Buffer.concat(packed);
}

function bytes(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31) ^ (i >> 9));
}

function tableOf(packed: Uint8Array): PartsTable {
  const table = readPartsTable(packed.subarray(-PARTS_TAIL_SIZE), packed.length);
  assert.ok(typeof table === 'object');
  return table;
}

function partOf(packed: Uint8Array, table: PartsTable, i: number): Uint8Array {
  return unpackPart(table, i, packed.subarray(table.offsets[i], table.offsets[i + 1]));
}

for (const size of [1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 3 * PART_SIZE + 7]) {
  test(`${size} bytes are one gzip file and its parts`, async () => {
    const plain = bytes(size);
    const packed = await pack(plain);
    assert.deepEqual(gunzipSync(packed), Buffer.from(plain));
    const table = tableOf(packed);
    const count = table.offsets.length - 1;
    assert.deepEqual([count, table.size], [Math.ceil(size / PART_SIZE), size]);
    const parts = Array.from({ length: count }, (_, i) => partOf(packed, table, i));
    assert.deepEqual(Buffer.concat(parts), Buffer.from(plain));
  });
}

test('the bytes do not depend on how they arrive', async () => {
  const plain = bytes(2 * PART_SIZE + 5);
  assert.deepEqual(await pack(plain, 77), await pack(plain, 500_000));
});

test('other files have no table', async () => {
  const packed = await pack(bytes(1000));
  assert.equal(readPartsTable(packed.subarray(0, -1), packed.length - 1), undefined);
  assert.equal(readPartsTable(new Uint8Array(100), 100), undefined);
  assert.equal(readPartsTable(packed, packed.length + 1), undefined);
});

test('a short tail says how much is needed', async () => {
  const packed = await pack(bytes(5 * PART_SIZE));
  const size = readPartsTable(packed.subarray(-40), packed.length);
  assert.ok(typeof size === 'number' && size > 40);
  assert.ok(typeof readPartsTable(packed.subarray(-size), packed.length) === 'object');
});

test('a damaged part is an error', async () => {
  const packed = await pack(bytes(PART_SIZE * 2));
  const table = tableOf(packed);
  const at = (table.offsets[1] as number) + 50;
  packed[at] = (packed[at] as number) ^ 1;
  assert.throws(
    () => partOf(packed, table, 1),
    (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
  );
  // A part at another's place.
  const swapped = packed.subarray(0, (table.offsets[1] as number) - 3);
  assert.throws(
    () => unpackPart(table, 0, swapped),
    (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
  );
});

test('a table of any other bytes is refused or fits the file', async () => {
  const packed = await pack(bytes(PART_SIZE * 3));
  const tail = packed.length - (tableOf(packed).offsets[3] as number);
  fc.assert(
    fc.property(fc.nat(tail - 1), fc.nat(255), (back, value) => {
      const changed = Buffer.from(packed);
      changed[changed.length - 1 - back] = value;
      const table = readPartsTable(changed.subarray(-PARTS_TAIL_SIZE), changed.length);
      if (typeof table !== 'object') return;
      const { offsets, size, partSize } = table;
      assert.ok((offsets.at(-1) as number) <= changed.length);
      assert.equal(offsets.length - 1, Math.ceil(size / partSize));
    }),
  );
});
