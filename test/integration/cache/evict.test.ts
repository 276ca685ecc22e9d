import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { G8Error } from '../../../src/base/errors.ts';
import type { ContentCache } from '../../../src/cache/cache.ts';
import {
  BLOCK,
  cleanUp,
  content,
  openCache,
  RecordingStore,
  type TestContent,
  temporaryDir,
} from '../../support/cache-fixture.ts';
import { gate } from '../../support/gate.ts';

const DEMAND = { priority: 'demand' } as const;
const MIB = 1024 * 1024;

test('gc() evicts the least recently used first', async (t) => {
  const time = { ms: 1_000_000 };
  const { cache, residency } = await openCache(t, { now: () => time.ms });
  const files = await fillMany(cache, 10, time);
  // The oldest was opened since: the driver says so.
  time.ms += 1_000_000;
  residency.opened.push(files[0]!.digest);
  const { freedBytes } = await cache.gc({ sizeMaxBytes: 5 * 4 * BLOCK });
  assert.equal(freedBytes, 5 * 4 * BLOCK);
  assert.deepEqual(await completeOnes(cache, files), [0, 6, 7, 8, 9]);
});

test('gc() leaves open, pinned and in-flight contents', async (t) => {
  const { cache, residency } = await openCache(t);
  const files = await fillMany(cache, 4, { ms: 0 });
  residency.open.add(files[0]!.key);
  await cache.pin(files[1]!.digest);
  const flying = content(4, 99);
  const store = new RecordingStore([flying]);
  const arrived = gate();
  const { opened, open } = gate();
  store.intercept = async (_id, bytes) => {
    arrived.open();
    await opened;
    return bytes;
  };
  await cache.attach(flying);
  const fill = cache.fill(flying, 0, 4, { store, ...DEMAND });
  await arrived.opened;
  await cache.gc({ sizeMaxBytes: 0 });
  assert.deepEqual(await completeOnes(cache, files), [0, 1]);
  open();
  await fill;
  assert.equal(await cache.attach(flying), 'complete');

  await cache.unpin(files[1]!.digest);
  residency.open.clear();
  await cache.gc({ sizeMaxBytes: 0 });
  const { files: count, bytes, evictedFiles } = await cache.status();
  assert.deepEqual({ count, bytes, evictedFiles }, { count: 0, bytes: 0, evictedFiles: 5 });
});

test('gc() evicts partial contents too, and they can be filled again', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(4, 1);
  const store = new RecordingStore([file]);
  await cache.attach(file);
  await cache.fill(file, 0, 2, { store, ...DEMAND });
  // The caller is answered a moment before the load is over and counted.
  do await new Promise((resolve) => setImmediate(resolve));
  while ((await cache.gc({ sizeMaxBytes: 0 })).freedBytes === 0);
  assert.deepEqual(residency.dropped, [file.key]);
  await assert.rejects(stat(cache.layout.partialPath(file.key)), { code: 'ENOENT' });
  await cache.attach(file);
  await cache.fill(file, 0, 4, { store, ...DEMAND });
  assert.equal(await cache.attach(file), 'complete');
  assert.equal(store.asked.length, 6);
});

test('an evicted content is no source for copies any more', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 2);
  await fillAll(cache, file);
  await cache.gc({ sizeMaxBytes: 0 });
  const store = new RecordingStore([file]);
  await cache.attach(file);
  await cache.fill(file, 0, 2, { store, ...DEMAND });
  assert.equal(store.asked.length, 2);
});

test('the size limit holds while contents are filled', async (t) => {
  const sizeMaxBytes = 20 * 4 * BLOCK;
  const { cache } = await openCache(t, { sizeMaxBytes });
  for (let index = 0; index < 60; index++) {
    const file = content(4, 300 + index);
    await cache.attach(file);
    await cache.fill(file, 0, 4, { store: new RecordingStore([file]), priority: 'background' });
  }
  const { bytes, evictedFiles } = await cache.status();
  assert.ok(bytes <= sizeMaxBytes, `${bytes} bytes`);
  assert.ok(evictedFiles >= 40);
});

test('a background fill beyond the size limit fails, a demand fill does not', async (t) => {
  const { cache, residency } = await openCache(t, { sizeMaxBytes: 10 * BLOCK });
  const held = content(10, 3);
  await fillAll(cache, held);
  residency.open.add(held.key);
  const file = content(4, 4);
  const store = new RecordingStore([file]);
  await cache.attach(file);
  await assert.rejects(cache.fill(file, 0, 4, { store, priority: 'background' }), {
    code: 'ERR_CACHE_FULL',
  });
  await cache.fill(file, 0, 4, { store, ...DEMAND });
  assert.equal(await cache.attach(file), 'complete');
});

test('a demand fill that waits for a background fill does not fail with it', async (t) => {
  const { cache, residency } = await openCache(t, { sizeMaxBytes: 10 * BLOCK });
  const held = content(10, 3);
  await fillAll(cache, held);
  residency.open.add(held.key);
  // One that is placed as a whole and one that is filled.
  for (const file of [content(1, 4), content(4, 5)]) {
    const store = new RecordingStore([file]);
    const [background, demand] = await Promise.allSettled([
      cache.load(file, 0, file.chunkCount, { store, priority: 'background' }),
      cache.load(file, 0, file.chunkCount, { store, ...DEMAND }),
    ]);
    assert.equal(background.status === 'rejected' && background.reason.code, 'ERR_CACHE_FULL');
    assert.equal(demand.status, 'fulfilled');
  }
});

test('nothing is written below the free-space floor', async (t) => {
  const { cache } = await openCache(t, { freeFloorBytes: 2 ** 60 });
  const file = content(4, 5);
  await cache.attach(file);
  const fill = cache.fill(file, 0, 4, { store: new RecordingStore([file]), ...DEMAND });
  await assert.rejects(fill, { code: 'ERR_CACHE_FULL' });
});

test('status() shows the default limits of the file system', async (t) => {
  const { cache } = await openCache(t, { sizeMaxBytes: undefined, freeFloorBytes: undefined });
  const { sizeMaxBytes, freeFloorBytes } = await cache.status();
  assert.ok(sizeMaxBytes > 0 && sizeMaxBytes <= 20 * 2 ** 30);
  assert.ok(freeFloorBytes > 0 && freeFloorBytes <= 2 ** 30);
});

test('pin() fails with ERR_NO_INPUT for a content that is not there', async (t) => {
  const { cache } = await openCache(t);
  await assert.rejects(cache.pin(content(1, 6).digest), { code: 'ERR_NO_INPUT' });
});

test('a small disk is kept from running full by eviction', async (t) => {
  const dir = await smallDisk(t, 8);
  if (dir === undefined) return;
  const { cache } = await openCache(t, { dir, freeFloorBytes: undefined });
  for (let index = 0; index < 24; index++) {
    const file = content(128, 400 + index);
    await fillAll(cache, file);
    const bytes = await readFile(cache.layout.filePath(file.key));
    assert.deepEqual(new Uint8Array(bytes), file.bytes);
  }
  assert.ok((await cache.status()).evictedFiles >= 8);
});

test('a write that finds the disk full evicts and is tried once more', async (t) => {
  const { cache, codec } = await openCache(t);
  const old = content(4, 9);
  await fillAll(cache, old);
  let failures = 0;
  codec.beforeWrite = async () => {
    if (failures++ === 0) throw new G8Error('ERR_CACHE_FULL', 'No space left');
  };
  const file = content(4, 10);
  await fillAll(cache, file);
  assert.equal(await cache.attach(file), 'complete');
  assert.equal((await cache.status()).evictedFiles, 1);
});

test('a full disk where nothing can be evicted is ERR_CACHE_FULL', async (t) => {
  const dir = await smallDisk(t, 16);
  if (dir === undefined) return;
  const { cache, residency } = await openCache(t, { dir });
  const held = content(128, 7);
  await fillAll(cache, held);
  residency.open.add(held.key);
  const ballast = join(cache.layout.tmp, 'ballast');
  await writeFile(ballast, new Uint8Array(14 * MIB));
  const file = content(1024, 8);
  const store = new RecordingStore([file]);
  await cache.attach(file);
  await assert.rejects(cache.fill(file, 0, 1024, { store, ...DEMAND }), { code: 'ERR_CACHE_FULL' });
  assert.equal(await cache.attach(held), 'complete');

  await rm(ballast);
  await cache.fill(file, 0, 1024, { store, ...DEMAND });
  await cache.close();
  const again = await openCache(t, { dir });
  assert.equal(await again.cache.attach(file), 'complete');
  assert.equal(again.codec.verifiedBlocks, 0);
});

/** A file system of this many MiB; undefined, with a reason in the report, without root. */
async function smallDisk(t: TestContext, sizeMib: number): Promise<string | undefined> {
  if (process.getuid?.() !== 0) {
    if (process.env['CI'] === 'true') assert.fail('This test needs root');
    t.skip('needs root to mount a tmpfs');
    return undefined;
  }
  const dir = await temporaryDir(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'g8ufs-test', dir]);
  cleanUp(t, () => execFileSync('umount', [dir]));
  return dir;
}

async function fillMany(
  cache: ContentCache,
  count: number,
  time: { ms: number },
): Promise<TestContent[]> {
  const files = Array.from({ length: count }, (_, index) => content(4, 200 + index));
  for (const file of files) {
    time.ms += 1000;
    await fillAll(cache, file);
  }
  return files;
}

async function fillAll(cache: ContentCache, file: TestContent): Promise<void> {
  if ((await cache.attach(file)) === 'complete') return;
  await cache.fill(file, 0, file.chunkCount, { store: new RecordingStore([file]), ...DEMAND });
}

async function completeOnes(cache: ContentCache, files: readonly TestContent[]): Promise<number[]> {
  const found: number[] = [];
  for (const [index, file] of files.entries()) {
    const stats = await stat(cache.layout.filePath(file.key)).catch(() => undefined);
    if (stats !== undefined) found.push(index);
  }
  return found;
}
