import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../../src/base/errors.ts';
import {
  type ChunkFrame,
  decodeFrames,
  encodeFrameHeader,
  FRAME_STATUS,
  FrameDecoder,
} from '../../../src/store/chunk-frames.ts';

const ID32 = 'ab'.repeat(32);
const ID16 = 'cd'.repeat(16);

const isProtocolError = (error: unknown) => isG8Error(error, 'ERR_PROTOCOL');

function encode(frames: readonly ChunkFrame[]): Buffer {
  return Buffer.concat(
    frames.flatMap(({ id, status, bytes }) => [encodeFrameHeader(id, status, bytes.length), bytes]),
  );
}

const hexId = (size: number) =>
  fc
    .uint8Array({ minLength: size, maxLength: size })
    .map((bytes) => Buffer.from(bytes).toString('hex'));

const frame: fc.Arbitrary<ChunkFrame> = fc.oneof(
  fc.record({
    id: fc.oneof(hexId(16), hexId(32)),
    status: fc.constant(FRAME_STATUS.ok),
    bytes: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.record({
    id: hexId(32),
    status: fc.constant(FRAME_STATUS.missing),
    bytes: fc.constant(new Uint8Array(0)),
  }),
  fc.record({
    id: hexId(16),
    status: fc.constant(FRAME_STATUS.error),
    bytes: fc.uint8Array({ maxLength: 100 }),
  }),
);

test('encodeFrameHeader() writes length, id, status and size', () => {
  assert.equal(
    Buffer.from(encodeFrameHeader(ID16, FRAME_STATUS.error, 0x01020304)).toString('hex'),
    `10${ID16}0204030201`,
  );
});

test('FrameDecoder gives back what was encoded, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 40 }),
      (frames, cuts) => {
        const body = encode(frames);
        const decoder = new FrameDecoder();
        const decoded: ChunkFrame[] = [];
        let offset = 0;
        for (let i = 0; offset < body.length; i++) {
          const size = cuts[i % cuts.length] as number;
          decoded.push(...decoder.push(body.subarray(offset, offset + size)));
          offset += size;
        }
        decoder.end();
        const plain = (list: readonly ChunkFrame[]) =>
          list.map(({ id, status, bytes }) => [id, status, Buffer.from(bytes).toString('hex')]);
        assert.deepEqual(plain(decoded), plain(frames));
      },
    ),
  );
});

test('FrameDecoder never throws anything but ERR_PROTOCOL on random bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoder = new FrameDecoder();
      try {
        decoder.push(bytes);
        decoder.end();
      } catch (error) {
        assert(isProtocolError(error));
      }
    }),
  );
});

test('FrameDecoder gives an empty chunk as soon as its header is there', () => {
  const frames = new FrameDecoder().push(encodeFrameHeader(ID32, FRAME_STATUS.ok, 0));
  assert.equal(frames.length, 1);
});

test('FrameDecoder refuses an id of another length', () => {
  for (const size of [0, 1, 20, 33, 255]) {
    assert.throws(() => new FrameDecoder().push(new Uint8Array([size])), isProtocolError);
  }
});

test('FrameDecoder refuses a chunk above the size bound before its bytes come', () => {
  const header = encodeFrameHeader(ID32, FRAME_STATUS.ok, 0xffffffff);
  assert.throws(() => new FrameDecoder().push(header), isProtocolError);
});

test('FrameDecoder refuses bytes of a missing chunk', () => {
  const header = encodeFrameHeader(ID32, FRAME_STATUS.missing, 1);
  assert.throws(() => new FrameDecoder().push(header), isProtocolError);
});

test('FrameDecoder refuses a long error message', () => {
  const header = encodeFrameHeader(ID32, FRAME_STATUS.error, 1025);
  assert.throws(() => new FrameDecoder().push(header), isProtocolError);
});

test('FrameDecoder refuses an unknown status', () => {
  const header = encodeFrameHeader(ID32, FRAME_STATUS.ok, 1);
  header[33] = 3;
  assert.throws(() => new FrameDecoder().push(header), isProtocolError);
});

test('FrameDecoder.end() refuses a body that stops within a header or a chunk', () => {
  const body = encode([{ id: ID32, status: FRAME_STATUS.ok, bytes: new Uint8Array(10) }]);
  for (let size = 1; size < body.length; size++) {
    const decoder = new FrameDecoder();
    decoder.push(body.subarray(0, size));
    assert.throws(() => decoder.end(), isProtocolError);
  }
});

test('decodeFrames() reads a streamed body', async () => {
  const body = encode([
    { id: ID32, status: FRAME_STATUS.ok, bytes: new Uint8Array([1, 2]) },
    { id: ID16, status: FRAME_STATUS.missing, bytes: new Uint8Array(0) },
  ]);
  async function* pieces() {
    for (const byte of body) yield new Uint8Array([byte]);
  }
  const ids: string[] = [];
  for await (const { id } of decodeFrames(pieces())) ids.push(id);
  assert.deepEqual(ids, [ID32, ID16]);
});
