import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isG8Error } from '../../../../src/base/errors.ts';
import { ListReader, openMessage, StructReader } from '../../../../src/format/capnp/reader.ts';

const isFormatError = (error: unknown) => isG8Error(error, 'ERR_FLIST_FORMAT');

/** A message from words of 16 hex digits each, in file order. */
function message(segments: readonly (readonly string[])[]): Uint8Array {
  const header = Buffer.alloc(Math.ceil((4 + 4 * segments.length) / 8) * 8);
  header.writeUInt32LE(segments.length - 1, 0);
  segments.forEach((words, index) => {
    header.writeUInt32LE(words.length, 4 + 4 * index);
  });
  return new Uint8Array(Buffer.concat([header, Buffer.from(segments.flat(2).join(''), 'hex')]));
}

const structPointer = (offset: number, dataWords: number, pointerCount: number) =>
  word((offset << 2) | 0, dataWords | (pointerCount << 16));
const listPointer = (offset: number, elementSize: number, count: number) =>
  word((offset << 2) | 1, (count << 3) | elementSize);
const farPointer = (offset: number, segment: number, isDouble = false) =>
  word((offset << 3) | (isDouble ? 4 : 0) | 2, segment);

function word(low: number, high: number): string {
  const buffer = Buffer.alloc(8);
  buffer.writeInt32LE(low | 0, 0);
  buffer.writeInt32LE(high | 0, 4);
  return buffer.toString('hex');
}

const TEXT_HI = Buffer.from('hi\0\0\0\0\0\0').toString('hex');
const NUMBER = word(7, 0);

test('openMessage() reads numbers and texts of the root struct', () => {
  const root = openMessage(
    message([[structPointer(0, 1, 1), NUMBER, listPointer(0, 2, 3), TEXT_HI]]),
  );
  assert.equal(root.uint16(0), 7);
  assert.equal(root.uint64(0), 7);
  assert.deepEqual(root.text(0), new Uint8Array([0x68, 0x69]));
});

test('openMessage() reads zero values for fields that the writer did not know', () => {
  const root = openMessage(message([[structPointer(0, 1, 0), NUMBER]]));
  assert.equal(root.uint32(8), 0);
  assert.equal(root.int64(8), 0);
  assert.equal(root.text(0).length, 0);
  assert.equal(root.struct(3, new StructReader()), false);
});

test('StructReader reads negative numbers and refuses those beyond 2^53', () => {
  const root = openMessage(message([[structPointer(0, 2, 0), word(-60, -1), word(0, 0x200000)]]));
  assert.equal(root.int64(0), -60);
  assert.throws(() => root.uint64(0), isFormatError);
  assert.throws(() => root.int64(8), isFormatError);
});

test('openMessage() follows a far pointer with its landing pad in another segment', () => {
  const root = openMessage(
    message([
      [farPointer(1, 1)],
      [NUMBER, structPointer(0, 1, 1), NUMBER, listPointer(0, 2, 3), TEXT_HI],
    ]),
  );
  assert.equal(root.uint32(0), 7);
  assert.deepEqual(Buffer.from(root.text(0)).toString(), 'hi');
});

test('openMessage() follows a double-far pointer to a third segment', () => {
  const root = openMessage(
    message([
      [farPointer(0, 1, true)],
      [farPointer(1, 2), structPointer(0, 1, 0)],
      [word(9, 0), NUMBER],
    ]),
  );
  assert.equal(root.uint32(0), 7);
});

test('openMessage() refuses a far pointer that leads to a far pointer', () => {
  const bytes = message([[farPointer(0, 1)], [farPointer(0, 0)]]);
  assert.throws(() => openMessage(bytes), isFormatError);
});

test('openMessage() refuses a far pointer into an absent segment', () => {
  assert.throws(() => openMessage(message([[farPointer(0, 5)]])), isFormatError);
});

test('openMessage() refuses pointers outside their segment, even into the next one', () => {
  const bytes = message([[structPointer(0, 1, 0)], [NUMBER, NUMBER]]);
  assert.throws(() => openMessage(bytes), isFormatError);
  assert.throws(() => openMessage(message([[structPointer(-3, 1, 0)]])), isFormatError);
});

test('openMessage() refuses messages that end too early', () => {
  const bytes = message([[structPointer(0, 1, 1), NUMBER, listPointer(0, 2, 3), TEXT_HI]]);
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => openMessage(bytes.subarray(0, size)), isFormatError, `${size} bytes`);
  }
});

test('openMessage() refuses a null root and an absurd number of segments', () => {
  assert.throws(() => openMessage(message([[word(0, 0)]])), isFormatError);
  assert.throws(() => openMessage(Buffer.from('ffffffffffffffff', 'hex')), isFormatError);
});

test('StructReader.text() refuses a text without its NUL', () => {
  const root = openMessage(message([[structPointer(0, 0, 1), listPointer(0, 2, 2), TEXT_HI]]));
  assert.throws(() => root.text(0), isFormatError);
});

test('StructReader.data() refuses a list of words', () => {
  const root = openMessage(message([[structPointer(0, 0, 1), listPointer(0, 5, 1), TEXT_HI]]));
  assert.throws(() => root.data(0), isFormatError);
});

test('StructReader.list() walks a composite list', () => {
  const root = openMessage(
    message([
      [
        structPointer(0, 0, 1),
        listPointer(0, 7, 2),
        structPointer(2, 1, 0),
        word(1, 0),
        word(2, 0),
      ],
    ]),
  );
  const list = new ListReader();
  const item = new StructReader();
  root.list(0, list);
  assert.equal(list.count, 2);
  list.at(1, item);
  assert.equal(item.uint32(0), 2);
  assert.throws(() => list.at(2, item), RangeError);
});

test('StructReader.list() takes an absent and an empty list alike', () => {
  const list = new ListReader();
  openMessage(message([[structPointer(0, 0, 1), word(0, 0)]])).list(0, list);
  assert.equal(list.count, 0);
  openMessage(
    message([[structPointer(0, 0, 1), listPointer(0, 7, 0), structPointer(0, 1, 1)]]),
  ).list(0, list);
  assert.equal(list.count, 0);
});

test('StructReader.list() refuses more elements than the list has room for', () => {
  const root = openMessage(
    message([
      [structPointer(0, 0, 1), listPointer(0, 7, 2), structPointer(3, 1, 0), NUMBER, NUMBER],
    ]),
  );
  assert.throws(() => root.list(0, new ListReader()), isFormatError);
});

test('StructReader.list() refuses many elements of no size', () => {
  const root = openMessage(
    message([[structPointer(0, 0, 1), listPointer(0, 7, 0), structPointer(1 << 28, 0, 0)]]),
  );
  assert.throws(() => root.list(0, new ListReader()), isFormatError);
});

test('StructReader bounds how often the same bytes are visited', () => {
  const root = openMessage(
    message([[structPointer(0, 1, 1), NUMBER, listPointer(0, 2, 3), TEXT_HI]]),
  );
  assert.throws(() => {
    for (let i = 0; i < 5000; i++) root.text(0);
  }, isFormatError);
});
