import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { encodeLog } from '../../../../src/format/rocksdb/log.ts';
import { readManifest, TAG } from '../../../../src/format/rocksdb/manifest.ts';
import { Output } from '../../../../src/format/rocksdb/output.ts';

const KEY = Buffer.from('key\u0001\0\0\0\0\0\0\0');

const head = (): Output => {
  const edit = new Output().varint(TAG.logNumber).varint(4).varint(TAG.nextFileNumber).varint(9);
  return edit.varint(TAG.lastSequence).varint(77);
};
const addTable = (edit: Output, number: number, level = 1): Output =>
  edit
    .varint(TAG.newFile2)
    .varint(level)
    .varint(number)
    .varint(500)
    .slice(KEY)
    .slice(KEY)
    .varint(1)
    .varint(6);
const deleteTable = (edit: Output, number: number, level = 1): Output =>
  edit.varint(TAG.deletedFile).varint(level).varint(number);

function read(...edits: Output[]) {
  return readManifest('MANIFEST-000003', encodeLog(edits.map((edit) => edit.concat())), 3);
}
const numbers = (...edits: Output[]): number[] => read(...edits).tables.map(({ number }) => number);

test('readManifest() adds up edits', () => {
  const manifest = read(
    head(),
    addTable(new Output(), 5),
    new Output().varint(TAG.logNumber).varint(6),
  );
  assert.deepEqual(manifest, {
    tables: [
      {
        number: 5,
        level: 1,
        size: 500,
        smallest: new Uint8Array(Buffer.from('key')),
        largest: new Uint8Array(Buffer.from('key')),
        largestSequence: 6,
      },
    ],
    logNumber: 6,
    previousLogNumber: 0,
  });
});

test('readManifest() applies deletions before additions of the same edit', () => {
  const move = deleteTable(addTable(new Output(), 5, 2), 5, 1);
  assert.deepEqual(numbers(head(), addTable(new Output(), 5), move), [5]);
});

test('readManifest() leaves out what belongs to other column families', () => {
  const other = addTable(new Output().varint(TAG.columnFamily).varint(1), 6);
  const created = new Output().varint(TAG.columnFamily).varint(1).varint(TAG.columnFamilyAdd);
  const log = new Output().varint(TAG.columnFamily).varint(1).varint(TAG.logNumber).varint(99);
  const manifest = read(head(), created.slice(Buffer.from('other')), other, log);
  assert.deepEqual([manifest.tables, manifest.logNumber], [[], 4]);
});

test('readManifest() drops a group of edits that is not complete', () => {
  const group = (left: number): Output => new Output().varint(TAG.inAtomicGroup).varint(left);
  assert.deepEqual(numbers(head(), addTable(group(1), 5), addTable(group(0), 6)), [5, 6]);
  assert.deepEqual(numbers(head(), addTable(group(2), 5), addTable(group(1), 6)), []);
});

test('readManifest() passes over tags that may be ignored', () => {
  const edit = new Output().varint(TAG.ignorable + 1).slice(Buffer.from('an identity'));
  edit.varint(TAG.walAddition).varint(4).varint(2).varint(1000).varint(1);
  edit.varint(TAG.walDeletion).varint(3).varint(TAG.minLogNumberToKeep).varint(2);
  edit.varint(TAG.maxColumnFamily).varint(0).varint(TAG.compactCursor).varint(1).slice(KEY);
  assert.deepEqual(numbers(head(), addTable(edit, 5)), [5]);
});

test('readManifest() reads all forms of table entries', () => {
  const table = (tag: number, number: number): Output => {
    const edit = new Output().varint(tag).varint(1).varint(number);
    if (tag === TAG.newFile3) edit.varint(0);
    edit.varint(500).slice(KEY).slice(KEY);
    return tag === TAG.newFile ? edit : edit.varint(1).varint(6);
  };
  const last = table(TAG.newFile4, 8).varint(2).slice(Buffer.of(1));
  last.varint(65).slice(Buffer.of(0)).varint(12).slice(new Uint8Array(16)).varint(1);
  assert.deepEqual(numbers(head(), table(TAG.newFile, 6), table(TAG.newFile3, 7), last), [6, 7, 8]);
});

for (const [problem, code, ...edits] of [
  ['lacks a log number', 'ERR_FLIST_FORMAT', new Output().varint(TAG.nextFileNumber).varint(9)],
  ['is empty', 'ERR_FLIST_FORMAT'],
  ['deletes an unknown table', 'ERR_FLIST_FORMAT', head(), deleteTable(new Output(), 5)],
  ['deletes a table of another level', 'ERR_FLIST_FORMAT', deleteTable(addTable(head(), 5, 2), 6)],
  ['adds a table twice', 'ERR_FLIST_FORMAT', addTable(addTable(head(), 5), 5)],
  ['has a table of level 64', 'ERR_FLIST_FORMAT', addTable(head(), 5, 64)],
  [
    'has a short key',
    'ERR_FLIST_FORMAT',
    head().varint(TAG.newFile).varint(1).varint(5).varint(9).slice(KEY.subarray(4)),
  ],
  [
    'has another key order',
    'ERR_FLIST_VERSION',
    head().varint(TAG.comparator).slice(Buffer.from('x')),
  ],
  ['has blob files', 'ERR_FLIST_VERSION', head().varint(TAG.blobFileAddition)],
  ['has an unknown tag', 'ERR_FLIST_VERSION', head().varint(50)],
  [
    'has a second directory',
    'ERR_FLIST_VERSION',
    head().varint(TAG.newFile3).varint(1).varint(5).varint(1),
  ],
  [
    'has an unknown tag of a table',
    'ERR_FLIST_VERSION',
    head()
      .varint(TAG.newFile4)
      .varint(1)
      .varint(5)
      .varint(9)
      .slice(KEY)
      .slice(KEY)
      .varint(1)
      .varint(6)
      .varint(70)
      .slice(KEY),
  ],
] as const) {
  test(`readManifest() refuses a MANIFEST that ${problem}`, () => {
    assert.throws(
      () => read(...edits),
      (error) => isG8Error(error, code),
    );
  });
}
