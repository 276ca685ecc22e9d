/** Chunks of a directory that are read in one call. */
import assert from 'node:assert/strict';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { addon } from '../../src/native/load.ts';
import { chunkPath } from '../../src/store/chunk-id.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { CHUNK_SIZE_MAX } from '../../src/store/store.ts';
import { chunkOf, WAYS } from '../support/faulty-store.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const [, [, deliver]] = WAYS as [unknown, (typeof WAYS)[number]];
const CHUNKS = Array.from({ length: 200 }, (_, i) => chunkOf(`${i} `.repeat(4 * (i + 1))));

test('deliver() gives every chunk whatever the bounds of one call', async (t) => {
  const root = temporaryDirectory(t);
  const store = new DirectoryStore({
    path: root,
    readChunks: (path, ids, { chunkSizeMax }) =>
      addon().readChunks(path, ids, { sizeMax: 5000, chunkSizeMax }),
  });
  for (const { id, bytes } of CHUNKS) await store.put(id, bytes);
  // One lies flat, as directories of old have them.
  const flat = chunkOf('flat');
  await writeFile(join(root, flat.id), flat.bytes);
  const all = [...CHUNKS, flat];
  const results = await deliver(
    store,
    all.map(({ id }) => id),
  );
  assert.equal(results.size, all.length);
  for (const { id, bytes } of all) {
    assert.deepEqual(Buffer.from(results.get(id) as Uint8Array), Buffer.from(bytes));
  }
});

test('deliver() tells of each chunk that cannot be read why', async (t) => {
  const root = temporaryDirectory(t);
  const store = new DirectoryStore({ path: root, readChunks: addon().readChunks });
  const [good, empty, folder, large, absent] = CHUNKS.map(({ id }) => id) as [...string[]] as [
    string,
    string,
    string,
    string,
    string,
  ];
  for (const { id, bytes } of CHUNKS.slice(0, 2)) await store.put(id, bytes);
  await truncate(join(root, chunkPath(empty)), 0);
  await mkdir(join(root, chunkPath(folder)), { recursive: true });
  await mkdir(join(root, large.slice(0, 2)), { recursive: true });
  await writeFile(join(root, chunkPath(large)), '');
  await truncate(join(root, chunkPath(large)), CHUNK_SIZE_MAX + 1);
  const results = await deliver(store, [absent, empty, folder, large, good]);
  const codeOf = (id: string): unknown => {
    const result = results.get(id);
    if (result instanceof Uint8Array) return result.length;
    return isG8Error(result?.error) && result.error.code;
  };
  assert.equal(codeOf(good), CHUNKS[0]?.bytes.length);
  assert.equal(codeOf(absent), 'ERR_CHUNK_MISSING');
  assert.equal(codeOf(empty), 'ERR_CHUNK_MISSING');
  assert.equal(codeOf(folder), 'ERR_CHUNK_CORRUPT');
  assert.equal(codeOf(large), 'ERR_CHUNK_CORRUPT');
});

test('readChunks() reads the first chunk whatever its size, and no name that is no id', async (t) => {
  const root = temporaryDirectory(t);
  const store = new DirectoryStore({ path: root });
  const [{ id, bytes }, next] = CHUNKS.slice(-2) as [(typeof CHUNKS)[0], (typeof CHUNKS)[0]];
  for (const chunk of [{ id, bytes }, next]) await store.put(chunk.id, chunk.bytes);
  const limits = { sizeMax: 1, chunkSizeMax: CHUNK_SIZE_MAX };
  const read = await addon().readChunks(root, [id, next.id], limits);
  assert.deepEqual(read.sizes, [bytes.length]);
  assert.deepEqual(Buffer.from(read.bytes), Buffer.from(bytes));
  await assert.rejects(addon().readChunks(root, ['../../etc/passwd'], limits), (error) =>
    isG8Error(error, 'ERR_USAGE'),
  );
  const gone = await addon().readChunks(join(root, 'absent'), [id], limits);
  assert.deepEqual(gone.sizes, [0]);
});
