import assert from 'node:assert/strict';
import test from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../../src/base/codec.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import type { Chunk, Content } from '../../../src/format/content.ts';
import { readContent, readRange } from '../../../src/image/read.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { FakeCodec } from '../../support/fake-codec.ts';

const BLOCK_SIZE = 4096;
const HOLE: Chunk = {
  codec: CODEC.hole,
  id: new Uint8Array(0),
  plainDigest: new Uint8Array(0),
  storedSize: 0,
};

/** A content whose block i is full of i, 0 being a hole, and a store that has it. */
async function prepare(blocks: readonly number[], rest = 100) {
  const store = new MemoryStore();
  const chunks: Chunk[] = [];
  const plain: Uint8Array[] = [];
  for (const [i, fill] of blocks.entries()) {
    const bytes = new Uint8Array(i === blocks.length - 1 ? rest : BLOCK_SIZE).fill(fill);
    plain.push(bytes);
    if (fill === 0) {
      chunks.push(HOLE);
      continue;
    }
    const id = blake2b(bytes, 32);
    await store.put(toHex(id), bytes);
    chunks.push({ codec: CODEC.zstd, id, plainDigest: id, storedSize: bytes.length });
  }
  const size = Buffer.concat(plain).length;
  const content: Content = { size, blockSize: BLOCK_SIZE, algorithm: DIGEST.blake2b256, chunks };
  return { store, content, plain: Buffer.concat(plain) };
}

async function readAll(content: Content, store: MemoryStore, signal?: AbortSignal) {
  const pieces: Uint8Array[] = [];
  for await (const piece of readContent(content, { store, codec: new FakeCodec(), signal })) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

test('readContent() gives blocks in order, holes as zeros', async () => {
  const blocks = Array.from({ length: 30 }, (_, i) => i % 4);
  const { store, content, plain } = await prepare(blocks);
  assert.deepEqual(await readAll(content, store), plain);
});

test('readContent() fails for a chunk that the store does not have', async () => {
  const { content } = await prepare([1, 2]);
  await assert.rejects(readAll(content, new MemoryStore()), (error) =>
    isG8Error(error, 'ERR_CHUNK_MISSING'),
  );
});

test('readContent() shows nothing of a chunk that was changed', async () => {
  const { store, content } = await prepare([1]);
  store.get = async () => new Uint8Array(100).fill(9);
  await assert.rejects(readAll(content, store), (error) => isG8Error(error, 'ERR_CHUNK_CORRUPT'));
});

test('readContent() fails for a chunk of which nobody knows where it is', async () => {
  const { store, content } = await prepare([1]);
  const lost: Chunk = { ...HOLE, codec: CODEC.zstd };
  await assert.rejects(readAll({ ...content, chunks: [lost] }, store), (error) =>
    isG8Error(error, 'ERR_CHUNK_MISSING'),
  );
});

test('readContent() fetches a bounded number of chunks ahead', async () => {
  const { store, content } = await prepare(Array.from({ length: 100 }, (_, i) => 1 + (i % 200)));
  const get = store.get.bind(store);
  let asked = 0;
  store.get = async (id, options) => {
    asked++;
    return get(id, options);
  };
  const pieces = readContent(content, { store, codec: new FakeCodec() });
  await pieces.next();
  assert.ok(asked <= 9, `${asked}`);
  await pieces.return(undefined);
});

test('readContent() ends when its signal is aborted', async () => {
  const { store, content } = await prepare([1, 2]);
  await assert.rejects(readAll(content, store, AbortSignal.abort()), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
});

test('readRange() gives any part, and what exceeds the content is left out', async () => {
  const { store, content, plain } = await prepare([1, 0, 3, 4]);
  const ends = [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE, plain.length];
  for (const offset of [...ends, plain.length + 1]) {
    for (const length of [...ends, Number.POSITIVE_INFINITY]) {
      const pieces: Uint8Array[] = [];
      const options = { store, codec: new FakeCodec() };
      for await (const piece of readRange(content, { offset, length }, options)) pieces.push(piece);
      const expected = plain.subarray(offset, offset + length);
      assert.deepEqual(Buffer.concat(pieces), expected, `${length} bytes at ${offset}`);
    }
  }
});

test('readRange() fetches no chunks but those of the part', async () => {
  const { store, content } = await prepare([1, 2, 3, 4]);
  const fetched: string[] = [];
  const { get } = store;
  store.get = async (id, options) => {
    fetched.push(id);
    return await get.call(store, id, options);
  };
  const options = { store, codec: new FakeCodec() };
  const range = { offset: BLOCK_SIZE, length: BLOCK_SIZE + 1 };
  for await (const piece of readRange(content, range, options)) assert.ok(piece.length > 0);
  assert.deepEqual(
    fetched,
    content.chunks.slice(1, 3).map(({ id }) => toHex(id)),
  );
});
