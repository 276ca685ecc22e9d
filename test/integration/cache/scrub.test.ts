import assert from 'node:assert/strict';
import { chmod, open } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BLOCK, content, openCache, RecordingStore } from '../../support/cache-fixture.ts';
import { until } from '../../support/child-server.ts';

const DEMAND = { priority: 'demand' } as const;

test('a scrub finds what went bad and sets it aside', async (t) => {
  const first = await openCache(t);
  const files = [content(2, 1), content(3, 2), content(1, 3)];
  const store = new RecordingStore(files);
  for (const file of files) await first.cache.load(file, 0, file.chunkCount, { store, ...DEMAND });
  const bad = first.cache.layout.filePath(files[1]!.key);
  await first.cache.close();
  await damage(bad);

  const { cache } = await openCache(t, { dir: first.dir, scrubBytesPerSecond: 1024 * BLOCK });
  await until('The verification', async () => (await cache.status()).keptCorrupt === 1);
  const { files: count, corruptFiles } = await cache.status();
  assert.deepEqual([count, corruptFiles], [2, 1]);
  await cache.load(files[1]!, 0, 3, { store, ...DEMAND });
  assert.equal(await cache.attach(files[1]!), 'complete');
});

test('without a rate only a read error starts it', async (t) => {
  const { cache } = await openCache(t);
  const files = [content(2, 1), content(3, 2)];
  const store = new RecordingStore(files);
  for (const file of files) await cache.load(file, 0, file.chunkCount, { store, ...DEMAND });
  for (const file of files) await damage(cache.layout.filePath(file.key));
  await delay(100);
  assert.equal((await cache.status()).corruptFiles, 0);
  cache.noteDiskError('read');
  await until('The verification', async () => (await cache.status()).corruptFiles === 2);
  assert.equal((await cache.status()).suspect, true);
});

test('a rate is kept, and an end does not wait for it', async (t) => {
  const { cache } = await openCache(t);
  const file = content(4, 1);
  await cache.load(file, 0, 4, { store: new RecordingStore([file]), ...DEMAND });
  const start = performance.now();
  const { bytes, corrupt } = await cache.verify({ bytesPerSecond: 40 * BLOCK });
  assert.deepEqual([bytes, corrupt], [4 * BLOCK, []]);
  // Never faster than allowed; how much slower is the machine's affair.
  assert.ok(performance.now() - start >= 99);
  const given = new AbortController();
  const ends = cache.verify({ bytesPerSecond: 1, signal: given.signal });
  given.abort();
  await assert.rejects(ends, { code: 'ERR_ABORTED' });
});

/** Changes a byte, and nothing else that could be noticed. */
async function damage(path: string): Promise<void> {
  await chmod(path, 0o600);
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 100);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, 100);
  await file.utimes(1, 1);
  await file.close();
}
