import assert from 'node:assert/strict';
import {
  chmod,
  cp,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ContentCache } from '../../../src/cache/cache.ts';
import { CacheLayout } from '../../../src/cache/layout.ts';
import {
  BLOCK,
  type CacheFixture,
  content,
  openCache,
  RecordingStore,
  type TestContent,
  temporaryDir,
} from '../../support/cache-fixture.ts';
import { FakeCodec } from '../../support/fake-codec.ts';

const DEMAND = { priority: 'demand' } as const;

test('after a kill in the same boot complete files are trusted as they are', async (t) => {
  const file = content(3, 1);
  const dir = await killed(t, async (cache) => fillAll(cache, file));
  const { cache, codec } = await openCache(t, { dir, bootId: 'one' });
  assert.equal(await cache.attach(file), 'complete');
  assert.equal(codec.verifiedBlocks, 0);
});

test('after a power loss a damaged file is not in its place when the cache is open', async (t) => {
  const file = content(3, 2);
  const dir = await killed(t, async (cache) => fillAll(cache, file));
  await damage(new CacheLayout(dir).filePath(file.key), 0);
  const { cache } = await openCache(t, { dir, bootId: 'two' });
  await assert.rejects(readFile(cache.layout.filePath(file.key)), { code: 'ENOENT' });
  assert.equal(await cache.attach(file), 'partial');
  assert.equal((await cache.status()).rejectedFiles, 1);
  await fillAll(cache, file);
  const bytes = await readFile(cache.layout.filePath(file.key));
  assert.deepEqual(new Uint8Array(bytes), file.bytes);
});

test('after a power loss a file that was not durable is verified and comes back', async (t) => {
  const file = content(3, 3);
  const dir = await killed(t, async (cache) => fillAll(cache, file));
  const { cache, codec } = await openCache(t, { dir, bootId: 'two' });
  assert.equal(await cache.attach(file), 'complete');
  assert.equal(codec.verifiedBlocks, 3);
});

test('after a power loss a durable file comes back unread', async (t) => {
  const file = content(3, 4);
  const dir = await killed(t, async (cache) => {
    await fillAll(cache, file);
    await cache.checkpoint();
  });
  const { cache, codec } = await openCache(t, { dir, bootId: 'two' });
  assert.equal(await cache.attach(file), 'complete');
  assert.equal(codec.verifiedBlocks, 0);
});

test('after a power loss everything comes back in the background', async (t) => {
  const files = Array.from({ length: 20 }, (_, index) => content(2, 100 + index));
  const dir = await killed(t, async (cache) => {
    for (const file of files) await fillAll(cache, file);
  });
  await damage(new CacheLayout(dir).filePath(files[7]!.key), BLOCK);
  const { cache } = await openCache(t, { dir, bootId: 'two' });
  await recovered(cache);
  const status = await cache.status();
  assert.deepEqual(
    { files: status.files, rejected: status.rejectedFiles },
    { files: 19, rejected: 1 },
  );
  assert.deepEqual(await readdir(cache.layout.quarantine), []);
  for (const file of files) {
    const expected = file === files[7] ? 'partial' : 'complete';
    assert.equal(await cache.attach(file), expected);
  }
});

test('a second power loss during recovery loses nothing', async (t) => {
  const file = content(3, 5);
  const first = await killed(t, async (cache) => fillAll(cache, file));
  const layout = new CacheLayout(first);
  // What the first reboot does before it can be interrupted.
  await cp(layout.files, join(layout.quarantine, 'x'), {
    recursive: true,
    preserveTimestamps: true,
  });
  await rm(layout.files, { recursive: true });
  await mkdir(layout.files);
  const { cache } = await openCache(t, { dir: first, bootId: 'three' });
  assert.equal(await cache.attach(file), 'complete');
});

test('after a clean close another boot trusts everything', async (t) => {
  const dir = await temporaryDir(t);
  const file = content(3, 6);
  const before = await openCache(t, { dir, bootId: 'one' });
  await fillAll(before.cache, file);
  await before.cache.close();
  const { cache, codec } = await openCache(t, { dir, bootId: 'two' });
  assert.equal((await readFile(cache.layout.filePath(file.key))).length, file.size);
  assert.equal(await cache.attach(file), 'complete');
  assert.equal(codec.verifiedBlocks, 0);
});

test('blocks that an earlier process left are verified before their first use', async (t) => {
  const dir = await temporaryDir(t);
  const file = content(4, 7);
  const before = await openCache(t, { dir });
  await before.cache.attach(file);
  await before.cache.fill(file, 0, 3, { store: new RecordingStore([file]), ...DEMAND });
  await before.cache.close();
  await damage(before.cache.layout.partialPath(file.key), BLOCK);

  const { cache, codec, residency } = await openCache(t, { dir });
  const store = new RecordingStore([file]);
  assert.equal(await cache.attach(file), 'partial');
  assert.deepEqual([...residency.attached.get(file.key)!.present], [0]);
  await cache.fill(file, 0, 4, { store, ...DEMAND });
  assert.equal(codec.verifiedBlocks, 3);
  assert.equal(store.asked.length, 2);
  assert.equal((await cache.status()).rejectedBlocks, 1);
  const bytes = await readFile(cache.layout.filePath(file.key));
  assert.deepEqual(new Uint8Array(bytes), file.bytes);
});

test('a content dropped from memory is not verified again in the same process', async (t) => {
  const { cache, codec } = await openCache(t);
  const file = content(4, 8);
  await cache.attach(file);
  await cache.fill(file, 0, 3, { store: new RecordingStore([file]), ...DEMAND });
  await cache.gc();
  await cache.checkpoint();
  assert.equal(await cache.attach(file), 'partial');
  assert.equal(codec.verifiedBlocks, 0);
});

test('open() begins anew when the state is unreadable', async (t) => {
  const dir = await temporaryDir(t);
  const file = content(2, 9);
  const before = await openCache(t, { dir });
  await fillAll(before.cache, file);
  await before.cache.close();
  await writeFile(join(dir, 'state', 'CURRENT'), 'nonsense\n');
  const { cache } = await openCache(t, { dir });
  await fillAll(cache, file);
  assert.equal(await cache.attach(file), 'complete');
});

test('open() empties tmp', async (t) => {
  const dir = await temporaryDir(t);
  const before = await openCache(t, { dir });
  await writeFile(join(before.cache.layout.tmp, 'left'), 'x');
  await before.cache.close();
  const { cache } = await openCache(t, { dir });
  assert.deepEqual(await readdir(cache.layout.tmp), []);
});

test('a second open fails with ERR_CACHE_LOCKED and names the owner', async (t) => {
  const { dir } = await openCache(t);
  await assert.rejects(ContentCache.open({ dir, addon: new FakeCodec() }), (error: Error) => {
    assert.equal((error as { code?: string }).code, 'ERR_CACHE_LOCKED');
    assert.match(error.message, new RegExp(`in use by process ${process.pid}`));
    return true;
  });
});

test('close() ends fills with ERR_ABORTED', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 10);
  const store = new RecordingStore([file]);
  store.intercept = () => new Promise(() => {});
  await cache.attach(file);
  const fill = assert.rejects(cache.fill(file, 0, 2, { store, ...DEMAND }), {
    code: 'ERR_ABORTED',
  });
  await new Promise((resolve) => setImmediate(resolve));
  await cache.close();
  await fill;
  await assert.rejects(cache.attach(file), { code: 'ERR_ABORTED' });
});

/** A copy of a cache as a kill would leave it: the original goes on until the test ends. */
async function killed(
  t: TestContext,
  fill: (cache: CacheFixture['cache']) => Promise<void>,
): Promise<string> {
  const { cache, dir } = await openCache(t, { bootId: 'one' });
  await fill(cache);
  const copy = await temporaryDir(t);
  await cp(dir, copy, { recursive: true, preserveTimestamps: true });
  const layout = new CacheLayout(copy);
  for (const path of await readdir(layout.files, { recursive: true })) {
    // The copy rounds time stamps.
    if (path.length > 64) await utimes(join(layout.files, path), 1, 1);
  }
  return copy;
}

/** Zeros 100 bytes and puts the seal back, as a power loss does with bytes not written yet. */
async function damage(path: string, offset: number): Promise<void> {
  const { mode } = await stat(path);
  await chmod(path, 0o600);
  const file = await open(path, 'r+');
  await file.write(new Uint8Array(100), 0, 100, offset);
  await file.chmod(mode);
  await file.utimes(1, 1);
  await file.close();
}

async function fillAll(cache: ContentCache, file: TestContent): Promise<void> {
  if ((await cache.attach(file)) === 'complete') return;
  await cache.fill(file, 0, file.chunkCount, { store: new RecordingStore([file]), ...DEMAND });
}

async function recovered(cache: ContentCache): Promise<void> {
  while ((await cache.status()).recovering) await new Promise((resolve) => setImmediate(resolve));
}
