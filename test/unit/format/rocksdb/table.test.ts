import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { BlockCache, Budget } from '../../../../src/format/rocksdb/budget.ts';
import { Table } from '../../../../src/format/rocksdb/table.ts';
import { TableWriter } from '../../../../src/format/rocksdb/table-writer.ts';

const FOOTER_SIZE = 53;

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

function write(count: number): Uint8Array {
  const writer = new TableWriter();
  for (let i = 0; i < count; i++) {
    writer.add(text(`key ${String(i).padStart(4, '0')}`), new Uint8Array(i % 100));
  }
  return writer.finish().bytes;
}

const open = (bytes: Uint8Array): Table =>
  new Table('000005.sst', bytes, 0, new BlockCache(), new Budget());

test('Table.versions() yields every record at sequence number 0', () => {
  const versions = [...open(write(1000)).versions(new Budget())];
  assert.equal(versions.length, 1000);
  assert.ok(versions.every(({ sequence, value }) => sequence === 0 && value !== undefined));
});

test('Table.find() reads only the block that it needs', () => {
  const bytes = write(1000);
  const table = open(bytes);
  // Damages a block in the middle, but not that of the first record.
  bytes[20_000] = (bytes[20_000] as number) ^ 1;
  assert.deepEqual(table.find(text('key 0003'), new Budget())?.value, new Uint8Array(3));
  assert.throws(() => [...table.versions(new Budget())], { code: 'ERR_FLIST_FORMAT' });
});

test('TableWriter tells the first and the last key', () => {
  const writer = new TableWriter();
  for (const key of ['a', 'b', 'c']) writer.add(text(key), text(''));
  const { smallest, largest } = writer.finish();
  const trailer = `\u0001${'\0'.repeat(7)}`;
  assert.deepEqual([smallest, largest], [text(`a${trailer}`), text(`c${trailer}`)]);
});

for (const [problem, code, change] of [
  ['another magic number', 'ERR_FLIST_FORMAT', (bytes) => bytes.fill(0, -1)],
  ['format version 6', 'ERR_FLIST_VERSION', (bytes) => bytes.fill(6, -12, -11)],
  [
    'an unknown checksum type',
    'ERR_FLIST_VERSION',
    (bytes) => bytes.fill(9, -FOOTER_SIZE, 1 - FOOTER_SIZE),
  ],
  [
    'a metaindex beyond the end',
    'ERR_FLIST_FORMAT',
    (bytes) => bytes.fill(127, 1 - FOOTER_SIZE, 5 - FOOTER_SIZE),
  ],
] as [string, 'ERR_FLIST_FORMAT' | 'ERR_FLIST_VERSION', (bytes: Uint8Array) => void][]) {
  test(`Table refuses a file with ${problem}`, () => {
    const bytes = write(10);
    change(bytes);
    assert.throws(
      () => open(bytes),
      (error) => isG8Error(error, code),
    );
  });
}

test('Table rejects files that are too short for a footer', () => {
  const bytes = write(1);
  for (const size of [0, 8, 47, 52]) {
    assert.throws(
      () => open(bytes.subarray(bytes.length - size)),
      (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
    );
  }
});

test('Budget.spend() ends a pass that decodes too much', () => {
  const budget = new Budget();
  budget.spend(4 * 1024 ** 3, 'x.sst', 0);
  assert.throws(() => budget.spend(1, 'x.sst', 7), { code: 'ERR_FLIST_FORMAT' });
});
