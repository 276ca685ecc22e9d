import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../../../src/base/crc32c.ts';
import { isG8Error } from '../../../../src/base/errors.ts';
import { maskCrc } from '../../../../src/format/rocksdb/checksum.ts';
import { encodeLog, LogReader } from '../../../../src/format/rocksdb/log.ts';

const BLOCK_SIZE = 32768;
const isFormat = (error: unknown): boolean => isG8Error(error, 'ERR_FLIST_FORMAT');

/** A fragment of any type; with `number` one of a recyclable type. */
function fragment(type: number, payload: string, number?: number): Buffer {
  const named = Buffer.alloc(number === undefined ? 0 : 4);
  if (number !== undefined) named.writeUInt32LE(number);
  const checked = Buffer.concat([Buffer.of(type), named, Buffer.from(payload)]);
  const header = Buffer.alloc(6);
  header.writeUInt32LE(maskCrc(crc32c(checked)), 0);
  header.writeUInt16LE(payload.length, 4);
  return Buffer.concat([header, checked]);
}

function read(bytes: Uint8Array, number = 7): { records: string[]; truncated: boolean } {
  const reader = new LogReader('000007.log', bytes, number);
  const records = [...reader.records()].map((record) => Buffer.from(record.bytes).toString());
  return { records, truncated: reader.truncated };
}

test('LogReader joins fragments', () => {
  const log = Buffer.concat([
    fragment(2, 'a'),
    fragment(3, 'b'),
    fragment(4, 'c'),
    fragment(1, 'd'),
  ]);
  assert.deepEqual(read(log), { records: ['abc', 'd'], truncated: false });
});

test('LogReader tells where a record begins', () => {
  const reader = new LogReader('x', encodeLog([new Uint8Array(10), new Uint8Array(40_000)]), 0);
  assert.deepEqual(
    [...reader.records()].map(({ offset }) => offset),
    [0, 17],
  );
});

test('encodeLog() fills the end of a block that has no room for a header', () => {
  const log = encodeLog([new Uint8Array(BLOCK_SIZE - 7 - 6), Uint8Array.of(65)]);
  assert.equal(log.length, BLOCK_SIZE + 8);
  assert.equal(read(log).records[1], 'A');
});

test('LogReader reads recyclable records of its own log', () => {
  const log = Buffer.concat([fragment(6, 'a', 7), fragment(8, 'b', 7), fragment(5, 'c', 7)]);
  assert.deepEqual(read(log), { records: ['ab', 'c'], truncated: false });
});

for (const [remains, bytes] of [
  ['whole records', fragment(5, 'old', 3)],
  ['parts of records', fragment(5, 'old', 7).fill(9, 0, 1)],
] as const) {
  test(`LogReader ends where a recycled file has ${remains} of an older log`, () => {
    const log = Buffer.concat([fragment(5, 'new', 7), bytes]);
    assert.deepEqual(read(log), { records: ['new'], truncated: false });
  });
}

test('LogReader passes over records that may be ignored', () => {
  const log = Buffer.concat([fragment(1, 'a'), fragment(130, 'later'), fragment(1, 'b')]);
  assert.deepEqual(read(log).records, ['a', 'b']);
});

test('LogReader passes over space that was reserved and not used', () => {
  const log = Buffer.concat([fragment(1, 'a'), Buffer.alloc(BLOCK_SIZE - 8), fragment(1, 'b')]);
  assert.deepEqual(read(log), { records: ['a', 'b'], truncated: false });
});

test('LogReader passes over an empty first fragment that was given up', () => {
  const log = Buffer.concat([fragment(2, ''), fragment(1, 'a')]);
  assert.deepEqual(read(log).records, ['a']);
});

test('LogReader reports a cut off file and keeps what is complete', () => {
  const log = Buffer.concat([fragment(1, 'first'), fragment(2, 'second'), fragment(4, 'half')]);
  for (let size = 13; size < log.length; size++) {
    assert.deepEqual(read(log.subarray(0, size)), { records: ['first'], truncated: true });
  }
});

for (const [problem, log] of [
  ['a wrong checksum', Buffer.concat([fragment(1, 'a').fill(9, 0, 1), fragment(1, 'b')])],
  ['a record without its beginning', fragment(4, 'a')],
  ['a record without its end', Buffer.concat([fragment(2, 'a'), fragment(1, 'b')])],
  [
    'a record across a block boundary',
    Buffer.concat([fragment(1, 'a'), Buffer.alloc(6).fill(255), Buffer.alloc(BLOCK_SIZE, 1)]),
  ],
] as const) {
  test(`LogReader rejects ${problem}`, () => {
    assert.throws(() => read(log), isFormat);
  });
}

for (const type of [9, 10, 12, 0]) {
  test(`LogReader refuses record type ${type}`, () => {
    assert.throws(
      () => read(fragment(type, 'abc')),
      (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
    );
  });
}
