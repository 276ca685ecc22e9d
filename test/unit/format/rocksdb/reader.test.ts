import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { encodeLog } from '../../../../src/format/rocksdb/log.ts';
import { Output } from '../../../../src/format/rocksdb/output.ts';
import { openRocksdb } from '../../../../src/format/rocksdb/reader.ts';
import { TYPE } from '../../../../src/format/rocksdb/version.ts';
import { buildRocksdb } from '../../../../src/format/rocksdb/writer.ts';

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const isFormat = (error: unknown): boolean => isG8Error(error, 'ERR_FLIST_FORMAT');

const RECORDS = Array.from({ length: 400 }, (_, index) => {
  return [text(`key ${String(index).padStart(3, '0')}`), text(`value ${index}`)] as const;
});

function database(): Map<string, Uint8Array> {
  return buildRocksdb(RECORDS, { tableSizeTarget: 4500 });
}

/** Reads what is left of the database; all of it, since data blocks are read late. */
function readAll(files: ReadonlyMap<string, Uint8Array>): number {
  return [...openRocksdb(files).entries()].length;
}

test('entries() yields all records in order', () => {
  assert.deepEqual([...openRocksdb(database()).entries()], RECORDS);
});

test('get() finds records and nothing between them', () => {
  const opened = openRocksdb(database());
  for (const [key, value] of RECORDS) {
    assert.deepEqual(opened.get(key), value);
    assert.equal(opened.get(text(`${Buffer.from(key).toString()}!`)), undefined);
  }
  assert.equal(opened.get(text('')), undefined);
  assert.equal(opened.get(text('zzz')), undefined);
});

test('openRocksdb() lets records of a log win over those of tables', () => {
  const batch = new Output().fixed32(1).fixed32(0).fixed32(3);
  batch.byte(TYPE.value).slice(text('key 007')).slice(text('changed'));
  batch.byte(TYPE.deletion).slice(text('key 008'));
  batch.byte(TYPE.value).slice(text('new')).slice(text('added'));
  const files = database().set('000099.log', encodeLog([batch.concat()]));
  const opened = openRocksdb(files);
  const expected = RECORDS.toSpliced(7, 2, [text('key 007'), text('changed')]);
  assert.deepEqual([...opened.entries()], [...expected, [text('new'), text('added')]]);
  assert.deepEqual(opened.get(text('key 007')), text('changed'));
  assert.equal(opened.get(text('key 008')), undefined);
  assert.deepEqual(opened.get(text('new')), text('added'));
});

test('openRocksdb() returns plain arrays when it is given Buffers', () => {
  const files = new Map([...database()].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  for (const [key, value] of openRocksdb(files).entries()) {
    assert.ok(!Buffer.isBuffer(key) && !Buffer.isBuffer(value));
  }
});

test('openRocksdb() ignores files that are not part of the database', () => {
  const files = database()
    .set('LOG', text('text'))
    .set('LOCK', text(''))
    .set('000001.sst', text('old'));
  assert.equal(readAll(files), RECORDS.length);
});

test('openRocksdb() names file and offset of damage', () => {
  const files = database();
  const table = files.get('000003.sst') as Uint8Array;
  table[100] = (table[100] as number) ^ 1;
  assert.throws(() => readAll(files), {
    code: 'ERR_FLIST_FORMAT',
    details: { file: '000003.sst', offset: 0 },
  });
});

for (const [problem, change] of [
  ['without CURRENT', (files) => files.delete('CURRENT')],
  ['whose CURRENT is empty', (files) => files.set('CURRENT', text(''))],
  ['whose CURRENT has no line end', (files) => files.set('CURRENT', text('MANIFEST-000001'))],
  ['whose CURRENT leaves the directory', (files) => files.set('CURRENT', text('../MANIFEST-1\n'))],
  ['without its MANIFEST', (files) => files.delete('MANIFEST-000001')],
  ['without a live table', (files) => files.delete('000002.sst')],
  [
    'with a cut off table',
    (files) => files.set('000002.sst', files.get('000003.sst')!.subarray(1)),
  ],
  ['with an empty table', (files) => files.set('000002.sst', text(''))],
  [
    'with the contents of another table',
    (files) => files.set('000002.sst', files.get('000003.sst')!),
  ],
] as [string, (files: Map<string, Uint8Array>) => void][]) {
  test(`openRocksdb() rejects a database ${problem}`, () => {
    const files = database();
    change(files);
    assert.throws(() => readAll(files), isFormat);
  });
}
