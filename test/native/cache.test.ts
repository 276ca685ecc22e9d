import assert from 'node:assert/strict';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../src/base/codec.ts';
import type { Chunk } from '../../src/format/content.ts';
import { contentDigest } from '../../src/format/index/content-digest.ts';
import { addon } from '../../src/native/load.ts';
import {
  openCache,
  pattern,
  RecordingStore,
  type TestContent,
  temporaryDir,
} from '../support/cache-fixture.ts';

const BLOCK_SIZE = 65536;
const DEMAND = { priority: 'demand' } as const;

test('a content made by the native codec is filled, sealed and verified by it', async (t) => {
  const codec = addon();
  const { cache } = await openCache(t, { addon: codec });
  const { file, store } = await encode(join(await temporaryDir(t), 'source'), sparseBytes());
  assert.equal(await cache.attach(file), 'partial');
  await cache.fill(file, 0, file.chunkCount, { store, ...DEMAND });

  const path = cache.layout.filePath(file.key);
  assert.deepEqual(new Uint8Array(await readFile(path)), file.bytes);
  assert.equal((await stat(path)).mtimeMs, 1000);
  const { corruptFiles, bytes } = await cache.verify();
  assert.deepEqual({ corruptFiles, bytes }, { corruptFiles: 0, bytes: file.size });
});

test('the native codec leaves holes of a content unallocated', async (t) => {
  const { cache } = await openCache(t, { addon: addon() });
  const { file, store } = await encode(join(await temporaryDir(t), 'source'), sparseBytes());
  await cache.attach(file);
  await cache.fill(file, 0, file.chunkCount, { store, ...DEMAND });
  const { blocks } = await stat(cache.layout.filePath(file.key));
  assert.ok(blocks * 512 < file.size - BLOCK_SIZE, `${blocks * 512} of ${file.size} bytes`);
});

test('the native codec rejects a corrupt chunk before it is written', async (t) => {
  const { cache } = await openCache(t, { addon: addon() });
  const { file, store } = await encode(
    join(await temporaryDir(t), 'source'),
    pattern(BLOCK_SIZE, 2),
  );
  store.intercept = (_id, bytes) => {
    const copy = Uint8Array.from(bytes);
    copy[copy.length - 1]! ^= 1;
    return copy;
  };
  await cache.attach(file);
  await assert.rejects(cache.fill(file, 0, 1, { store, ...DEMAND }), { code: 'ERR_CHUNK_CORRUPT' });
  const partial = await readFile(cache.layout.partialPath(file.key));
  assert.ok(partial.every((byte) => byte === 0));
});

/** Five blocks: data, hole, data with a page of zeros, hole, a short last one. */
function sparseBytes(): Uint8Array {
  const bytes = pattern(4 * BLOCK_SIZE + 1000, 1);
  bytes.fill(0, BLOCK_SIZE, 2 * BLOCK_SIZE);
  bytes.fill(0, 2 * BLOCK_SIZE + 4096, 2 * BLOCK_SIZE + 8192);
  bytes.fill(0, 3 * BLOCK_SIZE, 4 * BLOCK_SIZE);
  return bytes;
}

async function encode(
  path: string,
  bytes: Uint8Array,
): Promise<{ file: TestContent; store: RecordingStore }> {
  await writeFile(path, bytes);
  const store = new RecordingStore();
  const chunks: Chunk[] = [];
  await using source = await open(path, 'r');
  for (let offset = 0; offset < bytes.length; offset += BLOCK_SIZE) {
    const length = Math.min(BLOCK_SIZE, bytes.length - offset);
    const request = { fd: source.fd, offset, length, codec: CODEC.zstd };
    const { hole, id, plainDigest, stored } = await addon().encodeChunk(request);
    const codec = hole ? CODEC.hole : CODEC.zstd;
    chunks.push({ codec, id, plainDigest, storedSize: stored.length });
    if (!hole) store.chunks.set(toHex(id), stored);
  }
  const shape = { size: bytes.length, blockSize: BLOCK_SIZE, algorithm: DIGEST.blake2b256 };
  const digest = contentDigest({ ...shape, chunks });
  const chunkCount = chunks.length;
  const chunk = (index: number): Chunk => chunks[index]!;
  return { file: { ...shape, bytes, key: toHex(digest), digest, chunkCount, chunk }, store };
}
