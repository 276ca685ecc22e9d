/** Bounds of what one image may take of the cache: who is charged, who has to go, and what happens when nothing can. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import type { ContentCache } from '../../../src/cache/cache.ts';
import { ownerOf, type Quota } from '../../../src/cache/quota.ts';
import {
  BLOCK,
  content,
  openCache,
  RecordingStore,
  type TestContent,
  temporaryDir,
} from '../../support/cache-fixture.ts';

const OWN: Quota = { owner: ownerOf('http://hub/demo/big.flist'), bytesMax: 20 * BLOCK };

test('ownerOf() tells names apart and is never nobody', () => {
  const names = Array.from({ length: 1000 }, (_, index) => `http://hub/demo/${index}.flist`);
  assert.equal(new Set(names.map(ownerOf)).size, 1000);
  assert.ok(names.every((name) => ownerOf(name) > 0 && ownerOf(name) < 2 ** 32));
  assert.equal(ownerOf('a'), ownerOf('a'));
});

test('an image that passes its bound loses its own oldest contents and nobody else any', async (t) => {
  const time = { ms: 1_000_000 };
  const { cache } = await openCache(t, { now: () => time.ms });
  const others = Array.from({ length: 8 }, (_, index) => content(4, 100 + index));
  for (const file of others) await read(cache, file, undefined);
  // Small files are placed, large ones filled block by block.
  const own = Array.from({ length: 12 }, (_, index) => content(index % 2 === 0 ? 1 : 4, index));
  for (const file of own) {
    time.ms += 1000;
    await read(cache, file, OWN);
    assert.ok(cache.ownedBytes(OWN.owner) <= OWN.bytesMax, `${cache.ownedBytes(OWN.owner)} bytes`);
  }
  assert.equal(await countOf(cache, others), others.length);
  assert.deepEqual(await present(cache, own.slice(-4)), [true, true, true, true]);
  assert.equal((await present(cache, own))[0], false);
  assert.equal((await cache.status()).overQuota, 0);
});

test('when all of an image is in use, its readers are served from memory and the rest waits', async (t) => {
  const { cache, residency } = await openCache(t);
  const held = content(19, 1);
  await read(cache, held, OWN);
  residency.open.add(held.key);
  for (const file of [content(4, 2), content(3, 3)]) {
    const store = new RecordingStore([file]);
    await cache.load(file, 0, 2, { store, priority: 'demand', quota: OWN });
    assert.deepEqual(
      Buffer.from(residency.lent.get(`${file.key}:1`) ?? []),
      Buffer.from(file.bytes.slice(BLOCK, 2 * BLOCK)),
    );
    const background = cache.fillMany([{ ref: file, first: 0, count: file.chunkCount }], {
      ...{ store, priority: 'background', quota: OWN },
    });
    await assert.rejects(background, { code: 'ERR_CACHE_FULL' });
  }
  const { overQuota, degraded, evictedFiles } = await cache.status();
  assert.deepEqual({ degraded, evictedFiles }, { degraded: null, evictedFiles: 0 });
  assert.ok(overQuota >= 4);
  // Nothing is wrong with the cache: others write.
  const other = content(4, 4);
  await read(cache, other, undefined);
  assert.equal(await countOf(cache, [other]), 1);
});

test('what another image has brought costs nothing', async (t) => {
  const { cache } = await openCache(t);
  const shared = content(30, 1);
  await read(cache, shared, undefined, 10);
  assert.equal(cache.ownedBytes(OWN.owner), 0);
  // More than its bound, but of somebody else's content.
  await read(cache, shared, OWN);
  assert.equal(cache.ownedBytes(OWN.owner), 0);
  assert.equal(await countOf(cache, [shared]), 1);
});

test('a smaller bound holds from the next fill on', async (t) => {
  const { cache } = await openCache(t);
  for (let seed = 0; seed < 4; seed++) await read(cache, content(4, seed), OWN);
  assert.equal(cache.ownedBytes(OWN.owner), 16 * BLOCK);
  await read(cache, content(2, 9), { ...OWN, bytesMax: 8 * BLOCK });
  assert.ok(cache.ownedBytes(OWN.owner) <= 8 * BLOCK);
});

test('the next process knows whose contents there are', async (t) => {
  const dir = await temporaryDir(t);
  const first = await openCache(t, { dir });
  const file = content(4, 1);
  const small = content(1, 2);
  for (const each of [file, small]) await read(first.cache, each, OWN);
  await first.cache.close();
  const { cache } = await openCache(t, { dir });
  assert.equal(cache.ownedBytes(OWN.owner), 5 * BLOCK);
  await cache.gc({ sizeMaxBytes: 0 });
  assert.equal(cache.ownedBytes(OWN.owner), 0);
});

/** As a reader does who waits; counted when it is over. */
async function read(
  cache: ContentCache,
  file: TestContent,
  quota: Quota | undefined,
  count = file.chunkCount,
): Promise<void> {
  const options = { store: new RecordingStore([file]), priority: 'demand', quota } as const;
  await cache.load(file, 0, count, options);
  while ((await cache.status()).loading > 0) await new Promise((resolve) => setImmediate(resolve));
  if (count < file.chunkCount) return;
  // Loaded is not complete yet.
  while ((await cache.attach(file)) !== 'complete');
}

async function present(cache: ContentCache, files: readonly TestContent[]): Promise<boolean[]> {
  const found = files.map((file) =>
    stat(cache.layout.filePath(file.key)).then(
      () => true,
      () => false,
    ),
  );
  return await Promise.all(found);
}

async function countOf(cache: ContentCache, files: readonly TestContent[]): Promise<number> {
  return (await present(cache, files)).filter((isThere) => isThere).length;
}
