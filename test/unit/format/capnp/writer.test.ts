import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ListReader, openMessage, StructReader } from '../../../../src/format/capnp/reader.ts';
import { MessageWriter } from '../../../../src/format/capnp/writer.ts';

test('MessageWriter writes what openMessage() reads', () => {
  const writer = new MessageWriter();
  const at = writer.begin(2, 2);
  writer.uint16(at, 65535);
  writer.uint32(at + 4, 4_000_000_000);
  writer.int64(at + 8, -(2 ** 40) - 1);
  writer.text(at + 16, Buffer.from('name'));
  writer.data(at + 24, Uint8Array.of(1, 0, 2));
  const root = openMessage(writer.finish());
  assert.equal(root.uint16(0), 65535);
  assert.equal(root.uint32(4), 4_000_000_000);
  assert.equal(root.int64(8), -(2 ** 40) - 1);
  assert.equal(Buffer.from(root.text(0)).toString(), 'name');
  assert.deepEqual(root.data(1), Uint8Array.of(1, 0, 2));
});

test('MessageWriter keeps nothing of the message before', () => {
  const writer = new MessageWriter();
  writer.uint32(writer.begin(1, 1), 99);
  const first = writer.finish();
  writer.begin(1, 1);
  assert.equal(openMessage(writer.finish()).uint32(0), 0);
  assert.equal(openMessage(first).uint32(0), 99);
});

test('MessageWriter grows with a list of a hundred thousand structs', () => {
  const count = 100_000;
  const writer = new MessageWriter();
  const at = writer.begin(0, 1);
  let item = writer.list(at, count, 1, 1);
  for (let i = 0; i < count; i++, item += 16) {
    writer.uint32(item, i);
    writer.text(item + 8, Buffer.from(`name ${i}`));
  }
  const list = new ListReader();
  const struct = new StructReader();
  openMessage(writer.finish()).list(0, list);
  assert.equal(list.count, count);
  for (let i = 0; i < count; i++) {
    list.at(i, struct);
    assert.equal(struct.uint32(0), i);
    assert.equal(Buffer.from(struct.text(0)).toString(), `name ${i}`);
  }
});
