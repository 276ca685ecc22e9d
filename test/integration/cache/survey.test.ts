import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BLOCK,
  content,
  contentOf,
  openCache,
  pattern,
  RecordingStore,
  type TestContent,
} from '../../support/cache-fixture.ts';
import { gate } from '../../support/gate.ts';

/** A content as a mount index lists it: its bytes without holes. */
function surveyed(file: TestContent) {
  let dataBytes = 0;
  for (let block = 0; block < file.chunkCount; block++) {
    const size = Math.min(file.blockSize, file.size - block * file.blockSize);
    if (file.chunk(block).id.length > 0) dataBytes += size;
  }
  return { digest: file.digest, dataBytes };
}

test('survey() counts what is complete, blocks of what is not, and no holes', async (t) => {
  const { cache } = await openCache(t);
  const complete = content(2, 1, 100);
  const sparse = contentOf(
    Buffer.concat([pattern(BLOCK, 7), new Uint8Array(BLOCK), pattern(2 * BLOCK, 8)]),
  );
  const absent = content(3, 3);
  const image = [complete, sparse, absent].map(surveyed);
  const totalBytes = 2 * BLOCK + 100 + 3 * BLOCK + 3 * BLOCK;
  assert.deepEqual(await cache.survey(image), {
    localBytes: 0,
    totalBytes,
    localFiles: 0,
    totalFiles: 3,
  });
  const store = new RecordingStore([complete, sparse]);
  await cache.attach(complete);
  await cache.fill(complete, 0, 3, { store, priority: 'demand' });
  await cache.attach(sparse);
  await cache.fill(sparse, 1, 2, { store, priority: 'demand' });
  assert.deepEqual(await cache.survey(image), {
    localBytes: 2 * BLOCK + 100 + BLOCK,
    totalBytes,
    localFiles: 1,
    totalFiles: 3,
  });
  await cache.fill(sparse, 0, 4, { store, priority: 'demand' });
  const { localBytes, localFiles } = await cache.survey(image);
  assert.deepEqual([localBytes, localFiles], [5 * BLOCK + 100, 2]);
});

test('survey() does not count what is still being fetched', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 5);
  const store = new RecordingStore([file]);
  const asked = gate();
  const held = gate();
  store.intercept = async (_id, bytes) => {
    asked.open();
    await held.opened;
    return bytes;
  };
  const loaded = cache.load(file, 0, 1, { store, priority: 'demand' });
  await asked.opened;
  assert.equal((await cache.survey([surveyed(file)])).localBytes, 0);
  held.open();
  await loaded;
  assert.equal((await cache.survey([surveyed(file)])).localBytes, BLOCK);
});

test('survey() of more contents than one look-up has', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 1);
  await cache.attach(file);
  const options = { store: new RecordingStore([file]), priority: 'demand' } as const;
  await cache.fill(file, 0, 1, options);
  const others = Array.from({ length: 2000 }, (_, i) => {
    const digest = Buffer.alloc(32, 1);
    digest.writeUInt32LE(i);
    return { digest, dataBytes: 10 };
  });
  const image = [...others.slice(0, 1500), surveyed(file), ...others.slice(1500)];
  assert.deepEqual(await cache.survey(image), {
    localBytes: BLOCK,
    totalBytes: 20_000 + BLOCK,
    localFiles: 1,
    totalFiles: 2001,
  });
});
