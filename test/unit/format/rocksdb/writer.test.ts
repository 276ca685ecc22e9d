import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { openRocksdb } from '../../../../src/format/rocksdb/reader.ts';
import { buildRocksdb, VALUE_SIZE_MAX } from '../../../../src/format/rocksdb/writer.ts';

type Record = readonly [key: Uint8Array, value: Uint8Array];

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const records = (count: number): Record[] =>
  Array.from({ length: count }, (_, index) => [
    text(`key ${String(index).padStart(4, '0')}`),
    text(`value ${index} `.repeat(index % 50)),
  ]);

function digest(files: Map<string, Uint8Array>): string {
  const hash = createHash('sha256');
  for (const [name, bytes] of files) hash.update(`${name}\n`).update(bytes);
  return hash.digest('hex');
}

test('buildRocksdb() writes CURRENT, a MANIFEST and one table', () => {
  const files = buildRocksdb(records(10));
  assert.deepEqual([...files.keys()], ['CURRENT', 'MANIFEST-000001', '000002.sst']);
  assert.deepEqual(files.get('CURRENT'), text('MANIFEST-000001\n'));
});

test('buildRocksdb() writes a database without tables when there is no record', () => {
  const files = buildRocksdb([]);
  assert.deepEqual([...files.keys()], ['CURRENT', 'MANIFEST-000001']);
  assert.deepEqual([...openRocksdb(files).entries()], []);
});

test('buildRocksdb() writes the same bytes on every machine', () => {
  assert.equal(
    digest(buildRocksdb(records(500))),
    '1d862dd9d5e5092be3cb70bee169f4fe8c95b6717d05804449d4fa3bb417c115',
  );
});

test('buildRocksdb() starts a new table at the target size', () => {
  const files = buildRocksdb(records(500), { tableSizeTarget: 50_000 });
  const tables = [...files].filter(([name]) => name.endsWith('.sst'));
  assert.ok(tables.length > 2);
  for (const [, bytes] of tables) assert.ok(bytes.length < 60_000);
  assert.deepEqual([...openRocksdb(files).entries()], records(500));
});

test('buildRocksdb() takes a value of 70 MiB', () => {
  const value = new Uint8Array(70 * 1024 * 1024).fill(7);
  const database = openRocksdb(
    buildRocksdb([
      [text('a'), value],
      [text('b'), text('small')],
    ]),
  );
  assert.equal(Buffer.compare(database.get(text('a')) as Uint8Array, value), 0);
  assert.deepEqual(database.get(text('b')), text('small'));
});

for (const [problem, list] of [
  ['keys out of order', ['b', 'a']],
  ['a key twice', ['a', 'a']],
] as const) {
  test(`buildRocksdb() rejects ${problem}`, () => {
    assert.throws(() => buildRocksdb(list.map((key) => [text(key), text('')])), RangeError);
  });
}

test('buildRocksdb() rejects a key that readers do not accept', () => {
  assert.throws(() => buildRocksdb([[new Uint8Array(64 * 1024 + 1), text('')]]), RangeError);
  assert.equal(
    [...openRocksdb(buildRocksdb([[new Uint8Array(64 * 1024), text('')]])).entries()].length,
    1,
  );
});

test('buildRocksdb() rejects a value above its limit', () => {
  assert.throws(() => buildRocksdb([[text('a'), new Uint8Array(VALUE_SIZE_MAX + 1)]]), RangeError);
});
