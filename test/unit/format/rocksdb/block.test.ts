import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { BlockCursor, indexEntries } from '../../../../src/format/rocksdb/block.ts';
import { Output } from '../../../../src/format/rocksdb/output.ts';
import { TRAILER_SIZE } from '../../../../src/format/rocksdb/version.ts';

const isFormat = (error: unknown): boolean => isG8Error(error, 'ERR_FLIST_FORMAT');
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const trailer = `\u0001${'\0'.repeat(TRAILER_SIZE - 1)}`;

/** A block of entries given as shared size, rest of the key and value. */
function block(
  entries: readonly (readonly [shared: number, rest: string, value: string])[],
  restartEvery = entries.length,
): Uint8Array {
  const output = new Output();
  const restarts: number[] = [];
  for (const [index, [shared, rest, value]] of entries.entries()) {
    if (index % restartEvery === 0) restarts.push(output.size);
    output.varint(shared).varint(rest.length).varint(value.length);
    output.bytes(ascii(rest)).bytes(ascii(value));
  }
  for (const restart of restarts) output.fixed32(restart);
  return output.fixed32(restarts.length).concat();
}

function read(bytes: Uint8Array): [string, string][] {
  const cursor = new BlockCursor('x.sst', bytes, 0);
  const entries: [string, string][] = [];
  while (cursor.next()) {
    entries.push([Buffer.from(cursor.key).toString(), Buffer.from(cursor.value).toString()]);
  }
  return entries;
}

test('BlockCursor.next() restores shared key bytes', () => {
  const bytes = block([
    [0, 'apple', '1'],
    [3, 'ly', '2'],
    [0, 'b', ''],
  ]);
  assert.deepEqual(read(bytes), [
    ['apple', '1'],
    ['apply', '2'],
    ['b', ''],
  ]);
});

test('BlockCursor.next() finds nothing in an empty block', () => {
  assert.deepEqual(read(new Output().fixed32(0).fixed32(1).concat()), []);
});

test('BlockCursor leaves out the hash index of a block', () => {
  const plain = block([[0, 'key', 'value']]);
  const hashed = new Output()
    .bytes(plain.subarray(0, -4))
    .bytes(Uint8Array.of(0, 255, 255))
    .bytes(Uint8Array.of(3, 0))
    .fixed32(0x80000001)
    .concat();
  assert.deepEqual(read(hashed), [['key', 'value']]);
});

for (const restartEvery of [1, 3, 20]) {
  test(`BlockCursor.seek() finds the first key that is not below, restarts every ${restartEvery}`, () => {
    const keys = Array.from({ length: 20 }, (_, i) => `k${String(2 * i).padStart(2, '0')}`);
    const bytes = block(
      keys.map((key) => [0, key + trailer, key]),
      restartEvery,
    );
    for (let i = 0; i < 40; i++) {
      const cursor = new BlockCursor('x.sst', bytes, 0);
      const expected = keys[Math.ceil(i / 2)];
      assert.equal(cursor.seek(ascii(`k${String(i).padStart(2, '0')}`)), expected !== undefined);
      if (expected !== undefined) assert.equal(Buffer.from(cursor.value).toString(), expected);
    }
  });
}

for (const [problem, bytes] of [
  ['no restart points', Uint8Array.of(1, 2, 3)],
  ['more restart points than bytes', new Output().fixed32(0).fixed32(9).concat()],
  [
    'a hash index larger than itself',
    new Output().fixed32(0xffffffff).fixed32(0x80000001).concat(),
  ],
  ['a first key that shares bytes', block([[1, 'a', '']])],
  [
    'a key that shares more than there is',
    block([
      [0, 'a', ''],
      [2, 'b', ''],
    ]),
  ],
  ['an oversized key', block([[0, 'a'.repeat(65_545), '']])],
  ['a value beyond its end', new Output().varint(0).varint(1).varint(9).fixed32(0).concat()],
] as const) {
  test(`BlockCursor rejects a block with ${problem}`, () => {
    assert.throws(() => read(bytes), isFormat);
  });
}

test('BlockCursor.seek() rejects a restart point beyond the entries', () => {
  const bytes = new Output().bytes(block([[0, `a${trailer}`, '']]).subarray(0, -8)).fixed32(99);
  const cursor = new BlockCursor('x.sst', bytes.fixed32(1).concat(), 0);
  assert.throws(() => cursor.seek(ascii('a')), isFormat);
});

test('BlockCursor.seek() rejects a restart interval of thousands of entries', () => {
  const entries = Array.from({ length: 5000 }, (_, i) => {
    return [0, `${String(i).padStart(5, '0')}${trailer}`, ''] as const;
  });
  const cursor = new BlockCursor('x.sst', block(entries), 0);
  assert.throws(() => cursor.seek(ascii('9')), isFormat);
});

test('indexEntries() adds up delta-coded handles', () => {
  const output = new Output().varint(0).varint(2).bytes(ascii('ab')).varint(1000).varint(50);
  output
    .varint(1)
    .varint(1)
    .bytes(ascii('c'))
    .varint(2 * 10);
  output
    .varint(1)
    .varint(1)
    .bytes(ascii('d'))
    .varint(2 * 20 - 1);
  const bytes = output.fixed32(0).fixed32(1).concat();
  const coding = { keyIsUserKey: true, valueIsDelta: true };
  const entries = [...indexEntries('x.sst', bytes, 0, coding, false)];
  assert.deepEqual(
    entries.map(([key, { offset, size }]) => [Buffer.from(key).toString(), offset, size]),
    [
      ['ab', 1000, 50],
      ['ac', 1055, 60],
      ['ad', 1120, 40],
    ],
  );
});

test('indexEntries() rejects a key that is too short for a sequence number', () => {
  const bytes = block([[0, 'short', '\u0001\u0001']]);
  const coding = { keyIsUserKey: false, valueIsDelta: false };
  assert.throws(() => [...indexEntries('x.sst', bytes, 0, coding, false)], isFormat);
});
