import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { chunkPath } from '../../../src/store/chunk-id.ts';
import { DirectoryStore } from '../../../src/store/directory.ts';
import { CHUNK_SIZE_MAX } from '../../../src/store/store.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const CHUNK = chunkOf('chunk');

function open(t: TestContext): { store: DirectoryStore; root: string } {
  const root = temporaryDirectory(t);
  return { store: new DirectoryStore({ path: root }), root };
}

async function listed(store: DirectoryStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of store.list()) ids.push(id);
  return ids;
}

test('put() writes the two-level layout and leaves no temporary file', async (t) => {
  const { store, root } = open(t);
  await store.put(CHUNK.id, CHUNK.bytes);
  assert.equal((await stat(join(root, chunkPath(CHUNK.id)))).size, CHUNK.bytes.length);
  assert.deepEqual(await readdir(join(root, 'tmp')), []);
});

test('put() does not touch a chunk that is there', async (t) => {
  const { store, root } = open(t);
  await store.put(CHUNK.id, CHUNK.bytes);
  const before = await stat(join(root, chunkPath(CHUNK.id)), { bigint: true });
  await store.put(CHUNK.id, CHUNK.bytes);
  const after = await stat(join(root, chunkPath(CHUNK.id)), { bigint: true });
  assert.equal(after.ino, before.ino);
});

test('put() replaces an empty file, which a power failure can leave', async (t) => {
  const { store, root } = open(t);
  await store.put(CHUNK.id, CHUNK.bytes);
  await truncate(join(root, chunkPath(CHUNK.id)), 0);
  await assert.rejects(store.get(CHUNK.id), (error) => isG8Error(error, 'ERR_CHUNK_MISSING'));
  await store.put(CHUNK.id, CHUNK.bytes);
  assert.equal((await store.get(CHUNK.id)).length, CHUNK.bytes.length);
});

test('put() refuses bytes above the size bound', async (t) => {
  const { store } = open(t);
  await assert.rejects(store.put(CHUNK.id, new Uint8Array(CHUNK_SIZE_MAX + 1)), RangeError);
});

test('put() into a file instead of a directory is an error', async (t) => {
  const { store, root } = open(t);
  await writeFile(join(root, CHUNK.id.slice(0, 2)), 'in the way');
  await assert.rejects(store.put(CHUNK.id, CHUNK.bytes), (error) => isG8Error(error));
});

test('get() reads the flat layout as well', async (t) => {
  const { store, root } = open(t);
  await writeFile(join(root, CHUNK.id), CHUNK.bytes);
  assert.deepEqual(Buffer.from(await store.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
  assert.deepEqual(await store.missing([CHUNK.id]), []);
});

test('get() refuses a file above the size bound', async (t) => {
  const { store, root } = open(t);
  await writeFile(join(root, CHUNK.id), '');
  await truncate(join(root, CHUNK.id), CHUNK_SIZE_MAX + 1);
  await assert.rejects(store.get(CHUNK.id), (error) => isG8Error(error, 'ERR_CHUNK_CORRUPT'));
});

test('get() does not wait for a FIFO', async (t) => {
  const { store, root } = open(t);
  execFileSync('mkfifo', [join(root, CHUNK.id)]);
  await assert.rejects(store.get(CHUNK.id), (error) => isG8Error(error, 'ERR_CHUNK_CORRUPT'));
});

test('get() refuses what is no id', async (t) => {
  const { store } = open(t);
  await assert.rejects(store.get('../../etc/passwd'), TypeError);
});

test('a directory that is gone is unavailable, not empty', async (t) => {
  const store = new DirectoryStore({ path: join(temporaryDirectory(t), 'gone') });
  const isUnavailable = (error: unknown) => isG8Error(error, 'ERR_STORE_UNAVAILABLE');
  await assert.rejects(store.get(CHUNK.id), isUnavailable);
  await assert.rejects(store.missing([CHUNK.id]), isUnavailable);
  await assert.rejects(store.put(CHUNK.id, CHUNK.bytes), isUnavailable);
});

test('a directory to be made is empty until the first put()', async (t) => {
  const path = join(temporaryDirectory(t), 'a/b');
  const store = new DirectoryStore({ path, create: true });
  assert.deepEqual(await store.missing([CHUNK.id]), [CHUNK.id]);
  assert.deepEqual(await listed(store), []);
  await store.put(CHUNK.id, CHUNK.bytes);
  assert.deepEqual(await listed(store), [CHUNK.id]);
});

test('list() gives each chunk once and nothing else', async (t) => {
  const { store, root } = open(t);
  const flat = chunkOf('flat', 16);
  const both = chunkOf('both');
  await store.put(CHUNK.id, CHUNK.bytes);
  await store.put(both.id, both.bytes);
  await writeFile(join(root, both.id), both.bytes);
  await writeFile(join(root, flat.id), flat.bytes);
  await writeFile(join(root, 'README'), 'not a chunk');
  await mkdir(join(root, 'zz'));
  await mkdir(join(root, 'aa'), { recursive: true });
  await writeFile(join(root, 'aa', 'junk'), '');
  assert.deepEqual((await listed(store)).sort(), [CHUNK.id, both.id, flat.id].sort());
});

test('delete() removes a chunk from both layouts', async (t) => {
  const { store, root } = open(t);
  await store.put(CHUNK.id, CHUNK.bytes);
  await writeFile(join(root, CHUNK.id), CHUNK.bytes);
  await store.delete(CHUNK.id);
  assert.deepEqual(await store.missing([CHUNK.id]), [CHUNK.id]);
  await store.delete(CHUNK.id);
});

test('sweep() removes old temporary files and keeps new ones', async (t) => {
  const { store, root } = open(t);
  await mkdir(join(root, 'tmp'));
  await writeFile(join(root, 'tmp/old'), '');
  await writeFile(join(root, 'tmp/new'), '');
  await utimes(join(root, 'tmp/old'), 0, 0);
  await store.sweep(60_000);
  assert.deepEqual(await readdir(join(root, 'tmp')), ['new']);
});

test('many writers of one chunk leave one complete chunk', async (t) => {
  const { store, root } = open(t);
  const chunk = chunkOf('x'.repeat(100_000));
  await Promise.all(Array.from({ length: 20 }, () => store.put(chunk.id, chunk.bytes)));
  assert.equal((await store.get(chunk.id)).length, 100_000);
  assert.deepEqual(await readdir(join(root, 'tmp')), []);
});
