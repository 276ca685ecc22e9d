/** A cache whose disk takes nothing: readers are lent what they need, and it is told, until the disk is well. */
import assert from 'node:assert/strict';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import test from 'node:test';
import type { HealthEvent } from '../../../src/cache/health.ts';
import {
  BLOCK,
  content,
  contentOf,
  openCache,
  pattern,
  type RecordingResidency,
  RecordingStore,
} from '../../support/cache-fixture.ts';
import { until } from '../../support/child-server.ts';

const DEMAND = { priority: 'demand' } as const;

test('reads on demand are lent while nothing can be written, and written again afterwards', async (t) => {
  const events: HealthEvent[] = [];
  const { cache, residency } = await openCache(t, { onHealth: (event) => void events.push(event) });
  const synced = content(2, 1);
  const unsynced = content(2, 2);
  const file = content(3, 3);
  const store = new RecordingStore([synced, unsynced, file]);
  await cache.load(synced, 0, 2, { store, ...DEMAND });
  await cache.checkpoint();
  await cache.load(unsynced, 0, 2, { store, ...DEMAND });

  // Folders become files: nothing can be made in them.
  const { partial, tmp } = cache.layout;
  for (const folder of [partial, tmp]) {
    await rename(folder, `${folder}.away`);
    await writeFile(folder, '');
  }
  await cache.load(file, 0, 2, { store, ...DEMAND });
  assert.deepEqual(lent(residency, `${file.key}:0`), Buffer.from(file.bytes.slice(0, BLOCK)));
  assert.deepEqual(
    lent(residency, `${file.key}:1`),
    Buffer.from(file.bytes.slice(BLOCK, 2 * BLOCK)),
  );
  assert.equal(residency.lent.has(`${file.key}:2`), false);
  await until('The first event', async () => events.length > 0);
  assert.equal(events[0]?.type, 'degraded');
  const degraded = await cache.status();
  assert.equal(degraded.degraded, 'broken');
  assert.match(degraded.degradedBy ?? '', /not a directory/i);
  assert.equal(degraded.lentBytes, 2 * BLOCK);
  assert.equal(residency.trusted, 'nothing');

  // What nobody waits for is refused before anything is fetched.
  const asked = store.asked.length;
  await assert.rejects(cache.prefetch([file], { store, priority: 'background' }), {
    code: 'ERR_IO',
  });
  assert.equal(store.asked.length, asked);
  // What the disk still has comes from there, verified.
  await cache.rescue(synced, 0, 2, { store, ...DEMAND });
  assert.deepEqual(lent(residency, `${synced.key}:1`), Buffer.from(synced.bytes.slice(BLOCK)));
  assert.equal(store.asked.length, asked);

  for (const folder of [partial, tmp]) {
    await rm(folder);
    await rename(`${folder}.away`, folder);
  }
  await until('The second event', async () => events.length > 1);
  assert.deepEqual(events[1], { type: 'recovered', reason: 'broken' });
  assert.equal(residency.trusted, 'all');
  assert.equal((await cache.status()).degraded, null);
  // What was on the disk is there; what may have been lost without a word is fetched again.
  assert.equal(await cache.attach(synced), 'complete');
  assert.equal(await cache.attach(unsynced), 'partial');
  await cache.load(file, 0, 3, { store, ...DEMAND });
  assert.equal(await cache.attach(file), 'complete');
});

test('a hostile flist is lent nothing under the name of another content', async (t) => {
  const { cache, residency } = await openCache(t);
  const good = content(2, 1);
  const bad = content(2, 2);
  const store = new RecordingStore([good, bad]);
  await rename(cache.layout.partial, `${cache.layout.partial}.away`);
  await writeFile(cache.layout.partial, '');
  const lie = { ...bad, digest: good.digest };
  await assert.rejects(cache.load(lie, 0, 1, { store, ...DEMAND }), { code: 'ERR_FLIST_FORMAT' });
  assert.equal(residency.lent.size, 0);
  await rm(cache.layout.partial);
  await rename(`${cache.layout.partial}.away`, cache.layout.partial);
});

test('a chunk that is corrupt is not lent; holes are', async (t) => {
  const { cache, residency } = await openCache(t);
  const bytes = new Uint8Array(3 * BLOCK);
  bytes.set(pattern(BLOCK, 9));
  bytes.set(pattern(BLOCK, 8), 2 * BLOCK);
  const file = contentOf(bytes);
  const store = new RecordingStore([file]);
  store.intercept = (_id, stored) => stored.map((byte) => byte ^ 1);
  await cache.attach(file);
  await assert.rejects(cache.rescue(file, 0, 1, { store, ...DEMAND }), {
    code: 'ERR_CHUNK_CORRUPT',
  });
  await cache.rescue(file, 1, 1, { store, ...DEMAND });
  assert.deepEqual([...residency.lent.keys()], [`${file.key}:1`]);
});

test('a file that cannot be read is verified; what is wrong is kept aside and fetched again', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(2, 1);
  const store = new RecordingStore([file]);
  await cache.load(file, 0, 2, { store, ...DEMAND });
  const path = cache.layout.filePath(file.key);
  await rm(path);
  await writeFile(path, file.bytes.slice(0, BLOCK));
  await cache.rescue(file, 1, 1, { store, ...DEMAND });
  assert.deepEqual(lent(residency, `${file.key}:1`), Buffer.from(file.bytes.slice(BLOCK)));
  assert.equal(residency.trusted, 'reading');
  await until('The verification', async () => (await cache.status()).keptCorrupt === 1);
  assert.deepEqual(await readdir(cache.layout.corrupt), [file.key]);
  assert.equal((await cache.status()).corruptFiles, 1);
  await cache.load(file, 0, 2, { store, ...DEMAND });
  assert.equal(await cache.attach(file), 'complete');
  assert.equal((await stat(path)).size, 2 * BLOCK);
  // Kept only as long as there is room.
  await cache.gc({ sizeMaxBytes: 0 });
  await cache.makeRoom(1);
  assert.equal((await cache.status()).keptCorrupt, 0);
});

function lent(residency: RecordingResidency, name: string): Buffer | undefined {
  const bytes = residency.lent.get(name);
  return bytes === undefined ? undefined : Buffer.from(bytes);
}
