import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { encodeRequest, type Reply, ReplyReader } from '../../../../src/core/guest/frame.ts';

/** A reply with these bytes behind its head. */
function reply(id: number, kind: number, body: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(5 + body.length, 0);
  head.writeUInt32LE(id, 4);
  head.writeUInt8(kind, 8);
  return Buffer.concat([head, body]);
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const isProtocolError = (error: unknown): boolean => isG8Error(error, 'ERR_PROTOCOL');

test('encodeRequest() writes size, id, operation and fields', () => {
  assert.equal(
    Buffer.from(encodeRequest(7, 'open', ['/a', 2, 1n])).toString('hex'),
    '17000000' + '07000000' + '01' + '02000000' + '2f61' + '02000000' + '0100000000000000',
  );
  assert.throws(() => encodeRequest(1, 'write', [1, new Uint8Array(1024 * 1024)]), RangeError);
});

test('ReplyReader gives the same replies however they are cut', () => {
  const bytes = Buffer.concat([
    reply(1, 1, Buffer.concat([u32(2), Buffer.from('ab')])),
    reply(2, 2, u32(13)),
    reply(1, 0, Buffer.alloc(0)),
  ]);
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new ReplyReader();
    const replies: Reply[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      replies.push(...reader.push(bytes.subarray(at, at + size)));
    }
    assert.deepEqual(
      replies.map(({ id, kind }) => [id, kind]),
      [
        [1, 'part'],
        [2, 'error'],
        [1, 'end'],
      ],
      `cut by ${size}`,
    );
    assert.equal(replies[0]?.fields.text(), 'ab');
    assert.equal(replies[1]?.fields.u32(), 13);
    assert.ok(replies[2]?.fields.isAtEnd);
  }
});

for (const [name, bytes] of [
  ['a frame that is too large', u32(1024 * 1024 + 1)],
  ['a frame without a head', u32(4)],
  ['a kind that is none', reply(1, 3, Buffer.alloc(0))],
] as const) {
  test(`ReplyReader refuses ${name}`, () => {
    assert.throws(() => [...new ReplyReader().push(bytes)], isProtocolError);
  });
}

test('fields that are not there are refused', () => {
  const [short] = [...new ReplyReader().push(reply(1, 0, u32(1000)))];
  assert.throws(() => short?.fields.bytes(), isProtocolError);
  const [empty] = [...new ReplyReader().push(reply(1, 0, Buffer.alloc(3)))];
  assert.throws(() => empty?.fields.u32(), isProtocolError);
  assert.throws(() => empty?.fields.u64(), isProtocolError);
});
