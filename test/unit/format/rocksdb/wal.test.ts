import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { encodeLog } from '../../../../src/format/rocksdb/log.ts';
import { Output } from '../../../../src/format/rocksdb/output.ts';
import { TYPE } from '../../../../src/format/rocksdb/version.ts';
import { replayLogs } from '../../../../src/format/rocksdb/wal.ts';

type Operation = (output: Output) => Output;

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const put =
  (key: string, value: string, family?: number): Operation =>
  (output) =>
    (family === undefined ? output.byte(TYPE.value) : output.byte(TYPE.familyValue).varint(family))
      .slice(text(key))
      .slice(text(value));
const remove =
  (key: string, type: number = TYPE.deletion, family?: number): Operation =>
  (output) =>
    (family === undefined ? output.byte(type) : output.byte(type).varint(family)).slice(text(key));

function batch(sequence: number, operations: readonly Operation[], count = operations.length) {
  const output = new Output().fixed32(sequence).fixed32(0).fixed32(count);
  for (const operation of operations) operation(output);
  return output.concat();
}

/** Replays logs of batches; yields `key=value`, or `key-` for a deletion. */
function replay(...logs: Uint8Array[]): string[] {
  const files = logs.map((bytes, index) => ({ file: `00000${index}.log`, number: index, bytes }));
  return replayLogs(files).map(({ key, value }) => {
    const name = Buffer.from(key).toString();
    return value === undefined ? `${name}-` : `${name}=${Buffer.from(value).toString()}`;
  });
}

test('replayLogs() yields records in byte order', () => {
  const log = encodeLog([batch(1, [put('b', '1'), put('a', '2')]), batch(3, [put('ab', '3')])]);
  assert.deepEqual(replay(log), ['a=2', 'ab=3', 'b=1']);
});

test('replayLogs() keeps the newest version of a key', () => {
  const first = encodeLog([batch(1, [put('a', 'old'), put('b', 'old'), remove('b')])]);
  const second = encodeLog([batch(4, [put('a', 'new'), remove('c', TYPE.singleDeletion)])]);
  assert.deepEqual(replay(first, second), ['a=new', 'b-', 'c-']);
});

test('replayLogs() counts the records of other column families and leaves them out', () => {
  const operations = [
    put('a', 'other', 1),
    put('a', 'default', 0),
    remove('b', TYPE.familyDeletion, 1),
    remove('c', TYPE.familyDeletion, 0),
    remove('d', TYPE.familySingleDeletion, 0),
  ];
  assert.deepEqual(replay(encodeLog([batch(1, operations)])), ['a=default', 'c-', 'd-']);
});

test('replayLogs() passes over notes and fillers, which have no sequence number', () => {
  const note: Operation = (output) => output.byte(TYPE.logData).slice(text('a note'));
  const filler: Operation = (output) => output.byte(TYPE.noop);
  assert.deepEqual(replay(encodeLog([batch(1, [note, put('a', '1'), filler], 1)])), ['a=1']);
});

test('replayLogs() drops the cut off record of the last log', () => {
  const log = encodeLog([batch(1, [put('a', '1')]), batch(2, [put('b', '2')])]);
  assert.deepEqual(replay(log.subarray(0, -1)), ['a=1']);
});

test('replayLogs() goes on behind a cut off log when no sequence number is missing', () => {
  const log = encodeLog([batch(1, [put('a', '1')]), batch(2, [put('b', '2')])]);
  assert.deepEqual(replay(log.subarray(0, -1), encodeLog([batch(2, [put('c', '3')])])), [
    'a=1',
    'c=3',
  ]);
});

for (const [problem, code, ...logs] of [
  [
    'a gap behind a cut off log',
    'ERR_FLIST_FORMAT',
    encodeLog([batch(1, [put('a', '1')])]).subarray(0, -1),
    encodeLog([batch(2, [put('b', '2')])]),
  ],
  ['a batch without a header', 'ERR_FLIST_FORMAT', encodeLog([new Uint8Array(11)])],
  ['fewer records than counted', 'ERR_FLIST_FORMAT', encodeLog([batch(1, [put('a', '1')], 2)])],
  ['more records than counted', 'ERR_FLIST_FORMAT', encodeLog([batch(1, [put('a', '1')], 0)])],
  ['a merge', 'ERR_FLIST_VERSION', encodeLog([batch(1, [remove('a', TYPE.merge)])])],
  [
    'a range deletion',
    'ERR_FLIST_VERSION',
    encodeLog([batch(1, [remove('a', TYPE.rangeDeletion)])]),
  ],
  [
    'a range deletion of the default column family',
    'ERR_FLIST_VERSION',
    encodeLog([batch(1, [remove('a', TYPE.familyRangeDeletion, 0)])]),
  ],
  ['a prepared transaction', 'ERR_FLIST_VERSION', encodeLog([batch(1, [remove('a', 9)])])],
] as const) {
  test(`replayLogs() refuses ${problem}`, () => {
    assert.throws(
      () => replay(...logs),
      (error) => isG8Error(error, code),
    );
  });
}
