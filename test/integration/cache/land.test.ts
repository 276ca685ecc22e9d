import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { G8Error } from '../../../src/base/errors.ts';
import {
  BLOCK,
  content,
  contentOf,
  openCache,
  RecordingStore,
} from '../../support/cache-fixture.ts';
import { gate } from '../../support/gate.ts';

const DEMAND = { priority: 'demand' } as const;

test('load() makes a content of one chunk complete without a partial file', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(0, 1, 100);
  await cache.load(file, 0, 1, { store: new RecordingStore([file]), ...DEMAND });
  const path = cache.layout.filePath(file.key);
  const stats = await stat(path, { bigint: true });
  assert.equal(stats.mtimeNs, 1_000_000_000n);
  assert.equal(stats.mode & 0o777n, 0o444n);
  assert.deepEqual(new Uint8Array(await readFile(path)), file.bytes);
  assert.ok(residency.completed.has(file.key));
  assert.equal(residency.attached.size, 0);
  assert.deepEqual(await readdir(cache.layout.partial), []);
  const { files, partialFiles, bytes, misses } = await cache.status();
  assert.deepEqual([files, partialFiles, bytes, misses], [1, 0, Number(stats.blocks) * 512, 1]);
  assert.equal(await cache.attach(file), 'complete');
});

test('load() fills what it is asked for of a content of several chunks', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(4, 2);
  await cache.load(file, 1, 2, { store: new RecordingStore([file]), ...DEMAND });
  assert.deepEqual(residency.blocks.get(file.key), new Set([1, 2]));
  assert.equal(residency.completed.size, 0);
});

test('load() of many contents at the same time asks in few calls', async (t) => {
  const { cache } = await openCache(t);
  const files = Array.from({ length: 200 }, (_, index) => content(0, 300 + index, 50));
  const store = new RecordingStore(files);
  await Promise.all(files.map((file) => cache.load(file, 0, 1, { store, ...DEMAND })));
  assert.equal(new Set(store.asked).size, 200);
  assert.ok(store.calls.length <= 16, `${store.calls.length} calls`);
  assert.equal((await cache.status()).files, 200);
});

test('100 loads of one content at the same time are one request', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 3);
  const store = new RecordingStore([file]);
  const loads = Array.from({ length: 100 }, () => cache.load(file, 0, 1, { store, ...DEMAND }));
  await Promise.all(loads);
  assert.equal(store.asked.length, 1);
});

test('a damaged chunk in a batch fails its own readers and nobody else', async (t) => {
  const { cache, residency } = await openCache(t);
  const files = Array.from({ length: 20 }, (_, index) => content(1, 600 + index));
  const store = new RecordingStore(files);
  const bad = files[7]!;
  store.intercept = (id, bytes) => (id === bad.key ? bytes.map((byte) => byte ^ 1) : bytes);
  const results = await Promise.allSettled(
    files.map((file) => cache.load(file, 0, 1, { store, ...DEMAND })),
  );
  for (const [index, result] of results.entries()) {
    if (files[index] !== bad) assert.equal(result.status, 'fulfilled');
    else assert.equal((result as PromiseRejectedResult).reason.code, 'ERR_CHUNK_CORRUPT');
  }
  assert.ok(!residency.completed.has(bad.key));
  const { files: count, corruptChunks, partialFiles } = await cache.status();
  assert.deepEqual([count, corruptChunks, partialFiles], [19, 2, 0]);
  store.intercept = (_, bytes) => bytes;
  await cache.load(bad, 0, 1, { store, ...DEMAND });
  assert.ok(residency.completed.has(bad.key));
});

test('a chunk that is corrupt once is asked for again', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 4);
  const store = new RecordingStore([file]);
  store.intercept = (_, bytes, turn) => (turn === 0 ? bytes.map((byte) => byte ^ 1) : bytes);
  await cache.load(file, 0, 1, { store, ...DEMAND });
  assert.equal((await cache.status()).corruptChunks, 1);
});

test('a load that fails leaves no record behind', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 5);
  await assert.rejects(cache.load(file, 0, 1, { store: new RecordingStore(), ...DEMAND }), {
    code: 'ERR_CHUNK_MISSING',
  });
  const { files, partialFiles, bytes } = await cache.status();
  assert.deepEqual([files, partialFiles, bytes], [0, 0, 0]);
});

test('a waiter with another store tries its own when the first one fails', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 6);
  const { opened, open } = gate();
  const failing = new RecordingStore([file], 'failing:');
  failing.intercept = async () => {
    await opened;
    throw new G8Error('ERR_STORE_UNAVAILABLE', 'away');
  };
  const first = cache.load(file, 0, 1, { store: failing, ...DEMAND });
  const second = cache.load(file, 0, 1, { store: new RecordingStore([file]), ...DEMAND });
  open();
  await assert.rejects(first, { code: 'ERR_STORE_UNAVAILABLE' });
  await second;
  assert.equal((await cache.status()).files, 1);
});

test('what is in the place of a file is not overwritten but verified', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 7);
  const path = cache.layout.filePath(file.key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, new Uint8Array(BLOCK));
  const store = new RecordingStore([file]);
  await cache.load(file, 0, 1, { store, ...DEMAND });
  assert.deepEqual(new Uint8Array(await readFile(path)), file.bytes);
  assert.equal((await cache.status()).corruptFiles, 1);
});

test('a block of another content is copied, not fetched', async (t) => {
  const { cache } = await openCache(t);
  const large = content(3, 8);
  const small = contentOf(large.bytes.subarray(BLOCK, 2 * BLOCK));
  await cache.load(large, 0, 3, { store: new RecordingStore([large]), ...DEMAND });
  const store = new RecordingStore();
  await cache.load(small, 0, 1, { store, ...DEMAND });
  assert.deepEqual(store.asked, []);
  assert.equal((await cache.status()).copiedBlocks, 1);
});

test('load() ends when its signal is aborted; the next one begins anew', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 9);
  const store = new RecordingStore([file]);
  store.intercept = async () => await new Promise(() => {});
  const abort = new AbortController();
  const load = cache.load(file, 0, 1, { store, ...DEMAND, signal: abort.signal });
  while (store.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  await assert.rejects(load, { code: 'ERR_ABORTED' });
  while ((await cache.status()).loading > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(store.aborted, 1);
  store.intercept = (_, bytes) => bytes;
  await cache.load(file, 0, 1, { store, ...DEMAND });
});

test('a full disk evicts and tries once more', async (t) => {
  const { cache, codec } = await openCache(t);
  const old = content(1, 10);
  const file = content(1, 11);
  const store = new RecordingStore([old, file]);
  await cache.load(old, 0, 1, { store, ...DEMAND });
  let failures = 1;
  codec.beforeWrite = async () => {
    if (failures-- > 0) throw new G8Error('ERR_CACHE_FULL', 'full');
  };
  await cache.load(file, 0, 1, { store, ...DEMAND });
  assert.equal((await cache.status()).evictedFiles, 1);
});

test('prefetch() does nothing for a content that is complete', async (t) => {
  const { cache } = await openCache(t);
  const one = content(1, 12);
  const several = content(3, 13);
  const store = new RecordingStore([one, several]);
  for (const file of [one, several])
    await cache.prefetch([file], { store, priority: 'background' });
  assert.equal(store.asked.length, 4);
  for (const file of [one, several])
    await cache.prefetch([file], { store, priority: 'background' });
  assert.equal(store.asked.length, 4);
  assert.equal((await cache.status()).files, 2);
});

test('a background load beyond the size limit fails, a demand load does not', async (t) => {
  const { cache, residency } = await openCache(t, { sizeMaxBytes: BLOCK });
  const first = content(1, 14);
  const second = content(1, 15);
  const store = new RecordingStore([first, second]);
  residency.open.add(first.key);
  await cache.load(first, 0, 1, { store, ...DEMAND });
  await assert.rejects(cache.prefetch([second], { store, priority: 'background' }), {
    code: 'ERR_CACHE_FULL',
  });
  await cache.load(second, 0, 1, { store, ...DEMAND });
});
