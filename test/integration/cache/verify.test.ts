import assert from 'node:assert/strict';
import { chmod, open, readFile, rm, stat, truncate } from 'node:fs/promises';
import { test } from 'node:test';
import type { ContentCache } from '../../../src/cache/cache.ts';
import {
  BLOCK,
  content,
  contentOf,
  openCache,
  RecordingStore,
  type TestContent,
} from '../../support/cache-fixture.ts';
import { until } from '../../support/child-server.ts';

/** Partial contents of which some are forgotten; `PARTIAL_COUNT_MAX` of the upkeep. */
const FORGOTTEN_FROM = 4096;
const DEMAND = { priority: 'demand' } as const;

test('doubt() removes and counts a corrupt file, which is then filled anew', async (t) => {
  const { cache } = await openCache(t);
  const file = content(3, 1);
  await fillAll(cache, file);
  await overwrite(cache.layout.filePath(file.key), { keepSeal: false });
  assert.equal(await cache.doubt(file), false);
  assert.equal((await cache.status()).corruptFiles, 1);
  await fillAll(cache, file);
  const bytes = await readFile(cache.layout.filePath(file.key));
  assert.deepEqual(new Uint8Array(bytes), file.bytes);
});

test('doubt() seals a good file again', async (t) => {
  const { cache } = await openCache(t);
  const file = content(3, 2);
  await fillAll(cache, file);
  const path = cache.layout.filePath(file.key);
  const handle = await open(path, 'r');
  await handle.utimes(5, 5);
  await handle.close();
  assert.equal(await cache.doubt(file), true);
  assert.equal((await stat(path)).mtimeMs, 1000);
  assert.equal((await cache.status()).corruptFiles, 0);
});

test('doubt() removes a file of the wrong size', async (t) => {
  const { cache } = await openCache(t);
  const file = content(3, 3);
  await fillAll(cache, file);
  const path = cache.layout.filePath(file.key);
  await chmod(path, 0o600);
  await truncate(path, 2 * BLOCK);
  assert.equal(await cache.doubt(file), false);
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('attach() judges an unsealed file by itself', async (t) => {
  const { cache } = await openCache(t);
  const file = content(3, 4);
  await fillAll(cache, file);
  await overwrite(cache.layout.filePath(file.key), { keepSeal: false });
  assert.equal(await cache.attach(file), 'partial');
  assert.equal((await cache.status()).corruptFiles, 1);
});

test('attach() fills a complete file that was deleted behind its back', async (t) => {
  const { cache } = await openCache(t);
  const file = content(3, 5);
  await fillAll(cache, file);
  await rm(cache.layout.filePath(file.key));
  assert.equal(await cache.attach(file), 'partial');
  await fillAll(cache, file);
  const { files, partialFiles } = await cache.status();
  assert.deepEqual({ files, partialFiles }, { files: 1, partialFiles: 0 });
});

test('a partial file that was deleted while in use fails instead of serving zeros', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(3, 6);
  await cache.attach(file);
  await rm(cache.layout.partialPath(file.key));
  residency.open.add(file.key);
  await cache.fill(file, 0, 1, { store: new RecordingStore([file]), ...DEMAND });
  // The open descriptor still leads to the file that the driver has, so only the rename can fail.
  await cache.fill(file, 0, 3, { store: new RecordingStore([file]), ...DEMAND });
  assert.equal(residency.completed.size, 0);
  await assert.rejects(stat(cache.layout.filePath(file.key)), { code: 'ENOENT' });
});

test('verify() finds silent corruption behind an intact seal', async (t) => {
  const { cache } = await openCache(t);
  const files = [10, 11, 12].map((seed) => content(3, seed));
  for (const file of files) await fillAll(cache, file);
  const bad = files[1]!;
  await overwrite(cache.layout.filePath(bad.key), { keepSeal: true });
  assert.equal(await cache.attach(bad), 'complete');
  const seen: number[] = [];
  const result = await cache.verify({ progress: ({ contents }) => seen.push(contents) });
  assert.deepEqual(
    { contents: result.contents, corrupt: result.corruptFiles, bytes: result.bytes },
    { contents: 3, corrupt: 1, bytes: 2 * 3 * BLOCK },
  );
  assert.equal(seen.at(-1), 3);
  assert.equal((await cache.status()).corruptFiles, 1);
  assert.equal(await cache.attach(bad), 'partial');
});

test('verify() checks contents of one chunk and contents with holes', async (t) => {
  const { cache } = await openCache(t);
  const one = content(1, 13);
  const bytes = Uint8Array.from(content(4, 14).bytes).fill(0, BLOCK, 3 * BLOCK);
  const holes = contentOf(bytes);
  await fillAll(cache, contentOf(new Uint8Array(100)));
  await fillAll(cache, one);
  await fillAll(cache, holes);
  assert.equal((await cache.verify()).corruptFiles, 0);
  await overwrite(cache.layout.filePath(one.key), { keepSeal: true });
  await overwrite(cache.layout.filePath(holes.key), { keepSeal: true, offset: 2 * BLOCK });
  assert.equal((await cache.verify()).corruptFiles, 2);
});

test('verify() makes corrupt blocks of a partial file absent', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(4, 15);
  const store = new RecordingStore([file]);
  await cache.attach(file);
  await cache.fill(file, 0, 3, { store, ...DEMAND });
  residency.open.add(file.key);
  await overwrite(cache.layout.partialPath(file.key), { keepSeal: false, offset: BLOCK });
  assert.equal((await cache.verify()).corruptFiles, 1);
  await cache.fill(file, 0, 4, { store, ...DEMAND });
  assert.equal(store.asked.length, 5);
  const bytes = await readFile(cache.layout.filePath(file.key));
  assert.deepEqual(new Uint8Array(bytes), file.bytes);
});

test('blocks of a partial file that was forgotten meanwhile are verified before they are used', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { cache, residency } = await openCache(t);
  const file = content(2, 16);
  const store = new RecordingStore([file]);
  await cache.fill(file, 0, 1, { store, ...DEMAND });
  // More than are kept in memory: the longest idle goes with the next look at what there is.
  for (let seed = 0; seed < FORGOTTEN_FROM; seed++) await cache.attach(content(2, 100 + seed));
  t.mock.timers.tick(10_000);
  await until('Forgetting it', async () => residency.dropped.includes(file.key));
  await overwrite(cache.layout.partialPath(file.key), { keepSeal: false });
  assert.equal((await cache.verify()).corruptFiles, 0, 'nobody looks at it yet');
  await cache.fill(file, 0, 2, { store, ...DEMAND });
  const bytes = await readFile(cache.layout.filePath(file.key));
  assert.deepEqual(new Uint8Array(bytes), file.bytes);
});

test('verify() stops with ERR_ABORTED', async (t) => {
  const { cache } = await openCache(t);
  for (const seed of [16, 17, 18]) await fillAll(cache, content(2, seed));
  const stop = new AbortController();
  const verify = cache.verify({ signal: stop.signal, progress: () => stop.abort() });
  await assert.rejects(verify, { code: 'ERR_ABORTED' });
});

async function overwrite(
  path: string,
  options: { readonly keepSeal: boolean; readonly offset?: number },
): Promise<void> {
  const { mtime, mode } = await stat(path);
  await chmod(path, 0o600);
  const file = await open(path, 'r+');
  await file.write(Buffer.from('other bytes'), 0, 11, (options.offset ?? 0) + 50);
  if (options.keepSeal) await file.utimes(mtime, mtime);
  await file.chmod(mode);
  await file.close();
}

async function fillAll(cache: ContentCache, file: TestContent): Promise<void> {
  if ((await cache.attach(file)) === 'complete') return;
  await cache.fill(file, 0, file.chunkCount, { store: new RecordingStore([file]), ...DEMAND });
}
