import assert from 'node:assert/strict';
import test from 'node:test';
import { CODEC, DIGEST } from '../../../src/base/codec.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import type { Content } from '../../../src/format/content.ts';
import { ContentSequence } from '../../../src/image/read-ahead.ts';
import { addon } from '../../../src/native/load.ts';
import { MemoryStore } from '../../../src/store/memory.ts';

const BLOCK = 4096;

async function stored(store: MemoryStore, text: string): Promise<Content> {
  const data = Buffer.from(text);
  const chunks = [];
  for (let at = 0; at < data.length; at += BLOCK) {
    const piece = new Uint8Array(data.subarray(at, at + BLOCK));
    const encoded = await addon().encodeChunk({ data: piece, codec: CODEC.zstd });
    const { hole, id, plainDigest, stored: bytes } = encoded;
    if (!hole) await store.put(Buffer.from(id).toString('hex'), bytes);
    chunks.push({
      codec: hole ? CODEC.hole : CODEC.zstd,
      id,
      plainDigest,
      storedSize: bytes.length,
    });
  }
  return { size: data.length, blockSize: BLOCK, algorithm: DIGEST.blake2b256, chunks };
}

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}

test('ContentSequence reads contents in order, holes and equal ones among them', async () => {
  const store = new MemoryStore();
  const texts = ['one', '\0'.repeat(BLOCK * 2 + 5), 'x'.repeat(3 * BLOCK), 'one'];
  const contents = await Promise.all(texts.map((text) => stored(store, text)));
  const sequence = new ContentSequence(contents, { store, codec: addon() });

  for (const [i, content] of contents.entries()) {
    assert.equal(await textOf(sequence.read(content)), texts[i]);
  }
  await sequence.close();
});

test('ContentSequence asks for few chunks ahead', async () => {
  const store = new MemoryStore();
  let asked = 0;
  const counting = Object.assign(Object.create(store) as MemoryStore, {
    get: (id: string) => {
      asked++;
      return store.get(id);
    },
  });
  const contents = await Promise.all(
    Array.from({ length: 200 }, (_, i) => stored(store, `file ${i}`)),
  );
  const sequence = new ContentSequence(contents, { store: counting, codec: addon() });
  await textOf(sequence.read(contents[0] as Content));

  assert.ok(asked > 8 && asked <= 33, `${asked} chunks were asked for`);
  await sequence.close();
});

test('ContentSequence refuses another order', async () => {
  const store = new MemoryStore();
  const [a, b] = [await stored(store, 'a'), await stored(store, 'b')];
  const sequence = new ContentSequence([a, b], { store, codec: addon() });

  await assert.rejects(textOf(sequence.read(b)), RangeError);
  await sequence.close();
});

test('ContentSequence fails for a chunk that a broken flist does not name', async () => {
  const store = new MemoryStore();
  const whole = await stored(store, 'x'.repeat(2 * BLOCK));
  const broken = { ...whole, chunks: whole.chunks.slice(0, 1) };
  const sequence = new ContentSequence([broken], { store, codec: addon() });

  await assert.rejects(textOf(sequence.read(broken)), (error) =>
    isG8Error(error, 'ERR_CHUNK_MISSING'),
  );
  await sequence.close();
});
