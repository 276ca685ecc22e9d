import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { toHex } from '../../../src/base/bytes.ts';
import { CODEC } from '../../../src/base/codec.ts';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import type { Chunk } from '../../../src/format/content.ts';
import { contentDigest } from '../../../src/format/index/content-digest.ts';
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

const DEMAND = { priority: 'demand' } as const;

test('fill() puts a complete, sealed file in its place', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(3, 1, 100);
  const store = new RecordingStore([file]);
  assert.equal(await cache.attach(file), 'partial');
  await cache.fill(file, 0, file.chunkCount, { store, ...DEMAND });

  const path = cache.layout.filePath(file.key);
  const stats = await stat(path, { bigint: true });
  assert.equal(stats.mtimeNs, 1_000_000_000n);
  assert.equal(stats.mode & 0o777n, 0o444n);
  assert.deepEqual(new Uint8Array(await readFile(path)), file.bytes);
  assert.ok(residency.completed.has(file.key));
  assert.deepEqual(residency.blocks.get(file.key), new Set([0, 1, 2, 3]));
  assert.deepEqual(store.calls, [4]);
  await assert.rejects(stat(cache.layout.partialPath(file.key)), { code: 'ENOENT' });
});

test('fill() of some blocks leaves the content partial', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(8, 2);
  await cache.attach(file);
  await cache.fill(file, 2, 3, { store: new RecordingStore([file]), ...DEMAND });
  assert.deepEqual(residency.blocks.get(file.key), new Set([2, 3, 4]));
  assert.equal(residency.completed.size, 0);
  const partial = await readFile(cache.layout.partialPath(file.key));
  assert.deepEqual(
    new Uint8Array(partial.subarray(2 * BLOCK, 5 * BLOCK)),
    file.bytes.subarray(2 * BLOCK, 5 * BLOCK),
  );
  const { files, partialFiles } = await cache.status();
  assert.deepEqual({ files, partialFiles }, { files: 0, partialFiles: 1 });
});

test('attach() makes a content of holes complete at once', async (t) => {
  const { cache } = await openCache(t);
  const file = contentOf(new Uint8Array(3 * BLOCK));
  assert.equal(await cache.attach(file), 'complete');
  assert.equal((await readFile(cache.layout.filePath(file.key))).length, 3 * BLOCK);
});

test('attach() finds a complete content again', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 3);
  await cache.attach(file);
  await cache.fill(file, 0, 1, { store: new RecordingStore([file]), ...DEMAND });
  assert.equal(await cache.attach(file), 'complete');
  assert.equal((await cache.status()).hits, 1);
});

test('attach() takes a content of one chunk whatever its block size', async (t) => {
  const { cache } = await openCache(t);
  const bytes = pattern(100, 3);
  const small = contentOf(bytes, 4096);
  const large = contentOf(bytes, 65536);
  await cache.attach(small);
  await cache.fill(small, 0, 1, { store: new RecordingStore([small]), ...DEMAND });
  assert.equal(await cache.attach(large), 'complete');
});

test('attach() tells the driver which blocks are present', async (t) => {
  const { cache, residency } = await openCache(t);
  const bytes = pattern(4 * BLOCK, 4);
  bytes.fill(0, BLOCK, 2 * BLOCK);
  const file = contentOf(bytes);
  await cache.attach(file);
  assert.deepEqual([...(residency.attached.get(file.key)?.present ?? [])], [0b0010]);
  await cache.fill(file, 3, 1, { store: new RecordingStore([file]), ...DEMAND });
  await cache.attach(file);
  assert.deepEqual([...(residency.attached.get(file.key)?.present ?? [])], [0b1010]);
});

test('attach() rejects a content whose chunks do not make its digest', async (t) => {
  const { cache } = await openCache(t);
  const victim = content(2, 5);
  const other = content(2, 6);
  const forged = { ...other, digest: victim.digest };
  await assert.rejects(cache.attach(forged), { code: 'ERR_FLIST_FORMAT' });
  const oneChunk = { ...content(1, 7), digest: content(1, 8).digest };
  await assert.rejects(cache.attach(oneChunk), { code: 'ERR_FLIST_FORMAT' });
});

test('attach() rejects a wrong size of a complete content and keeps its file', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 9);
  await cache.attach(file);
  await cache.fill(file, 0, 1, { store: new RecordingStore([file]), ...DEMAND });
  const forged = { ...file, size: 100 };
  await assert.rejects(cache.attach(forged), { code: 'ERR_FLIST_FORMAT' });
  await assert.rejects(cache.doubt(forged), { code: 'ERR_FLIST_FORMAT' });
  assert.equal(await cache.attach(file), 'complete');
});

test('a wrong size claimed for an absent content gives way to the right one', async (t) => {
  const { cache } = await openCache(t);
  const file = content(1, 10);
  await cache.attach({ ...file, size: 100 });
  assert.equal(await cache.attach(file), 'partial');
  await cache.fill(file, 0, 1, { store: new RecordingStore([file]), ...DEMAND });
  assert.equal(await cache.attach(file), 'complete');
});

test('100 fills of one block at the same time are one request', async (t) => {
  const { cache } = await openCache(t);
  const file = content(4, 11);
  const store = new RecordingStore([file]);
  const { opened, open } = gate();
  store.intercept = async (_id, bytes) => {
    await opened;
    return bytes;
  };
  await cache.attach(file);
  const fills = Array.from({ length: 100 }, () => cache.fill(file, 1, 1, { store, ...DEMAND }));
  await new Promise((resolve) => setImmediate(resolve));
  open();
  await Promise.all(fills);
  assert.equal(store.asked.length, 1);
});

test('one chunk wanted by two contents at the same time is one request', async (t) => {
  const { cache, codec } = await openCache(t);
  const shared = pattern(BLOCK, 12);
  const one = contentOf(Buffer.concat([shared, pattern(BLOCK, 13)]));
  const two = contentOf(Buffer.concat([pattern(BLOCK, 14), shared]));
  const store = new RecordingStore([one, two]);
  const arrived = gate();
  const { opened, open } = gate();
  store.intercept = async (_id, bytes) => {
    arrived.open();
    await opened;
    return bytes;
  };
  await Promise.all([cache.attach(one), cache.attach(two)]);
  const fills = [cache.fill(one, 0, 1, { store, ...DEMAND })];
  await arrived.opened;
  fills.push(cache.fill(two, 1, 1, { store, ...DEMAND }));
  while ((await cache.status()).misses < 2) await new Promise((resolve) => setImmediate(resolve));
  open();
  await Promise.all(fills);
  assert.equal(store.asked.length, 1);
  assert.equal(codec.verifiedBlocks, 0);
});

test('a block that another content has is copied, not fetched', async (t) => {
  const { cache } = await openCache(t);
  const shared = pattern(BLOCK, 15);
  const one = contentOf(Buffer.concat([pattern(BLOCK, 16), shared]));
  const two = contentOf(Buffer.concat([shared, pattern(BLOCK, 17)]));
  const small = contentOf(shared);
  const store = new RecordingStore([one, two]);
  for (const file of [one, two, small]) {
    await cache.attach(file);
    await cache.fill(file, 0, file.chunkCount, { store, ...DEMAND });
    assert.equal(await cache.attach(file), 'complete');
    const bytes = await readFile(cache.layout.filePath(file.key));
    assert.deepEqual(new Uint8Array(bytes), file.bytes);
  }
  assert.equal(store.asked.length, 3);
  const { copiedBlocks, copiedBytes } = await cache.status();
  assert.deepEqual({ copiedBlocks, copiedBytes }, { copiedBlocks: 2, copiedBytes: 2 * BLOCK });
});

test('a content of one chunk is a source for copies', async (t) => {
  const { cache } = await openCache(t);
  const small = content(1, 18);
  const large = contentOf(Buffer.concat([pattern(BLOCK, 19), small.bytes]));
  const store = new RecordingStore([small, large]);
  for (const file of [small, large]) {
    await cache.attach(file);
    await cache.fill(file, 0, file.chunkCount, { store, ...DEMAND });
  }
  assert.equal(store.asked.length, 2);
});

test('a block repeated in one content is fetched once', async (t) => {
  const { cache } = await openCache(t);
  const block = pattern(BLOCK, 20);
  const file = contentOf(Buffer.concat([block, block, block]));
  const store = new RecordingStore([file]);
  await cache.attach(file);
  await cache.fill(file, 0, 3, { store, ...DEMAND });
  assert.equal(store.asked.length, 1);
  assert.equal(await cache.attach(file), 'complete');
});

test('a chunk that is corrupt once is asked for again and counted', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 21);
  const store = new RecordingStore([file]);
  store.intercept = (_id, bytes, turn) => (turn === 0 ? flip(bytes) : bytes);
  await cache.attach(file);
  await cache.fill(file, 0, 2, { store, ...DEMAND });
  const bytes = await readFile(cache.layout.filePath(file.key));
  assert.deepEqual(new Uint8Array(bytes), file.bytes);
  assert.equal((await cache.status()).corruptChunks, 2);
});

test('a chunk that stays corrupt fails and never becomes visible', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(2, 22);
  const store = new RecordingStore([file]);
  store.intercept = (_id, bytes) => flip(bytes);
  await cache.attach(file);
  await assert.rejects(cache.fill(file, 0, 2, { store, ...DEMAND }), { code: 'ERR_CHUNK_CORRUPT' });
  assert.equal((await cache.status()).corruptChunks, 4);
  assert.equal(residency.blocks.size, 0);
  const partial = await readFile(cache.layout.partialPath(file.key));
  assert.ok(partial.every((byte) => byte === 0));
});

test('one missing chunk does not keep the others of the batch out', async (t) => {
  const { cache, residency } = await openCache(t);
  const file = content(4, 23);
  const store = new RecordingStore([file]);
  store.chunks.delete(Buffer.from(file.chunk(2).id).toString('hex'));
  await cache.attach(file);
  await assert.rejects(cache.fill(file, 0, 4, { store, ...DEMAND }), { code: 'ERR_CHUNK_MISSING' });
  assert.deepEqual(residency.blocks.get(file.key), new Set([0, 1, 3]));
});

test('a lost chunk is ERR_CHUNK_MISSING, and the rest of its content can be read', async (t) => {
  const { cache, residency } = await openCache(t);
  const whole = content(3, 35);
  const lost = { ...NO_CHUNK, codec: CODEC.lost };
  const file = withChunks(whole, [whole.chunk(0), lost, whole.chunk(2)]);
  await cache.attach(file);
  const store = new RecordingStore([whole]);
  await assert.rejects(cache.fill(file, 0, 3, { store, ...DEMAND }), { code: 'ERR_CHUNK_MISSING' });
  assert.deepEqual(residency.blocks.get(toHex(file.digest)), new Set([0, 2]));

  const only = withChunks(content(1, 36), [lost]);
  assert.equal(await cache.attach(only), 'partial');
  await assert.rejects(cache.fill(only, 0, 1, { store, ...DEMAND }), { code: 'ERR_CHUNK_MISSING' });
});

test('a chunk whose codec does not fit the content is refused', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 37);
  const chunk = (index: number): Chunk => ({ ...file.chunk(index), codec: CODEC.legacyG1 });
  await cache.attach(file);
  const fill = cache.fill({ ...file, chunk }, 0, 2, { store: new RecordingStore(), ...DEMAND });
  await assert.rejects(fill, { code: 'ERR_FLIST_FORMAT' });
});

test('a store that does not answer for a chunk fails that chunk', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 24);
  const store = new RecordingStore([file]);
  store.getMany = async function* () {};
  await cache.attach(file);
  await assert.rejects(cache.fill(file, 0, 2, { store, ...DEMAND }), { code: 'ERR_PROTOCOL' });
});

test('a waiter with another store tries its own when the leader fails', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 25);
  const bad = new RecordingStore([file], 'bad:');
  const good = new RecordingStore([file], 'good:');
  const arrived = gate();
  const { opened, open } = gate();
  bad.intercept = async () => {
    arrived.open();
    await opened;
    throw new G8Error('ERR_STORE_UNAVAILABLE', 'Refused');
  };
  await cache.attach(file);
  const leader = cache.fill(file, 0, 1, { store: bad, ...DEMAND });
  await arrived.opened;
  const waiters = [1, 2, 3].map(() => cache.fill(file, 0, 1, { store: good, ...DEMAND }));
  const same = cache.fill(file, 0, 1, { store: bad, ...DEMAND });
  open();
  await Promise.all([
    assert.rejects(leader, { code: 'ERR_STORE_UNAVAILABLE' }),
    assert.rejects(same, { code: 'ERR_STORE_UNAVAILABLE' }),
    ...waiters,
  ]);
  assert.equal(good.asked.length, 1);
});

test('a content waiting for a chunk of another content falls back to its own store', async (t) => {
  const { cache } = await openCache(t);
  const shared = pattern(BLOCK, 26);
  const one = contentOf(Buffer.concat([shared, pattern(BLOCK, 27)]));
  const two = contentOf(Buffer.concat([shared, pattern(BLOCK, 28)]));
  const bad = new RecordingStore([one], 'bad:');
  const good = new RecordingStore([two], 'good:');
  const arrived = gate();
  const { opened, open } = gate();
  bad.intercept = async () => {
    arrived.open();
    await opened;
    throw new G8Error('ERR_TIMEOUT', 'Too slow');
  };
  await Promise.all([cache.attach(one), cache.attach(two)]);
  const leader = cache.fill(one, 0, 1, { store: bad, ...DEMAND });
  await arrived.opened;
  const waiter = cache.fill(two, 0, 1, { store: good, ...DEMAND });
  while ((await cache.status()).misses < 2) await new Promise((resolve) => setImmediate(resolve));
  open();
  await assert.rejects(leader, { code: 'ERR_TIMEOUT' });
  await waiter;
});

test('the first caller may leave; the load goes on for the others', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 29);
  const store = new RecordingStore([file]);
  const arrived = gate();
  const { opened, open } = gate();
  store.intercept = async (_id, bytes) => {
    arrived.open();
    await opened;
    return bytes;
  };
  const leaving = new AbortController();
  await cache.attach(file);
  const first = cache.fill(file, 0, 1, { store, ...DEMAND, signal: leaving.signal });
  await arrived.opened;
  const second = cache.fill(file, 0, 1, { store, ...DEMAND });
  await new Promise((resolve) => setImmediate(resolve));
  leaving.abort();
  await assert.rejects(first, { code: 'ERR_ABORTED' });
  open();
  await second;
  assert.equal(store.asked.length, 1);
  assert.equal(store.aborted, 0);
});

test('an abort in the middle leaves nothing behind', async (t) => {
  const { cache } = await openCache(t);
  const file = content(64, 30);
  const store = new RecordingStore([file]);
  const arrived = gate();
  store.intercept = () => {
    arrived.open();
    return new Promise(() => {});
  };
  await cache.attach(file);
  const leaving = new AbortController();
  const fill = cache.fill(file, 0, 64, { store, ...DEMAND, signal: leaving.signal });
  await arrived.opened;
  leaving.abort();
  await assert.rejects(fill, { code: 'ERR_ABORTED' });
  while ((await cache.status()).loading > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(store.aborted > 0);
  store.intercept = (_id, bytes) => bytes;
  await cache.fill(file, 0, 64, { store, ...DEMAND });
  assert.equal(await cache.attach(file), 'complete');
});

test('fill() rejects at once when its signal is aborted', async (t) => {
  const { cache } = await openCache(t);
  const file = content(2, 31);
  const store = new RecordingStore([file]);
  await cache.attach(file);
  const reason = new G8Error('ERR_TIMEOUT', 'The deadline passed');
  const fill = cache.fill(file, 0, 2, { store, ...DEMAND, signal: AbortSignal.abort(reason) });
  await assert.rejects(fill, (error) => isG8Error(error, 'ERR_TIMEOUT'));
  assert.equal(store.asked.length, 0);
});

test('a demand fill overtakes queued background fills', async (t) => {
  const { cache } = await openCache(t);
  const files = Array.from({ length: 40 }, (_, index) => content(1, 100 + index));
  const urgent = files[39]!;
  const store = new RecordingStore(files);
  const { opened, open } = gate();
  store.intercept = async (id, bytes) => {
    if (id !== urgent.key) await opened;
    return bytes;
  };
  await Promise.all(files.map((file) => cache.attach(file)));
  const background = files
    .slice(0, 39)
    .map((file) => cache.fill(file, 0, 1, { store, priority: 'background' }));
  while ((await cache.status()).misses < 39) await new Promise((resolve) => setImmediate(resolve));
  await cache.fill(urgent, 0, 1, { store, ...DEMAND });
  open();
  await Promise.all(background);
  assert.ok(store.asked.indexOf(urgent.key) < 39);
});

test('a demand fill makes the queued background load of its block urgent', async (t) => {
  const { cache } = await openCache(t);
  // More than all the calls that background fills may have under way.
  const others = Array.from({ length: 300 }, (_, index) => content(1, 200 + index));
  const wanted = content(1, 199);
  const store = new RecordingStore([...others, wanted]);
  const { opened, open } = gate();
  store.intercept = async (id, bytes) => {
    if (id !== wanted.key) await opened;
    return bytes;
  };
  const loading = async (count: number): Promise<void> => {
    while ((await cache.status()).misses < count) await new Promise((r) => setImmediate(r));
    await new Promise((resolve) => setImmediate(resolve));
  };
  const fill = (file: TestContent) => cache.fill(file, 0, 1, { store, priority: 'background' });
  const background = others.map(fill);
  await loading(others.length);
  background.push(fill(wanted));
  await loading(others.length + 1);
  await cache.fill(wanted, 0, 1, { store, ...DEMAND });
  open();
  await Promise.all(background);
  assert.equal(store.asked.filter((id) => id === wanted.key).length, 1);
});

test('a block with zero pages is right after a failed copy left other bytes there', async (t) => {
  const { cache } = await openCache(t);
  const plain = pattern(2 * BLOCK, 32);
  plain.fill(0, BLOCK);
  const source = contentOf(plain, 2 * BLOCK);
  const target = contentOf(Buffer.concat([plain, pattern(2 * BLOCK, 33)]), 2 * BLOCK);
  const store = new RecordingStore([source, target]);
  await cache.attach(source);
  await cache.fill(source, 0, 1, { store, ...DEMAND });
  const path = cache.layout.filePath(source.key);
  await chmod(path, 0o600);
  await writeFile(path, pattern(2 * BLOCK, 34));
  await cache.attach(target);
  await cache.fill(target, 0, 2, { store, ...DEMAND });
  const bytes = await readFile(cache.layout.filePath(target.key));
  assert.deepEqual(new Uint8Array(bytes), target.bytes);
});

const NO_CHUNK = { id: new Uint8Array(0), plainDigest: new Uint8Array(0), storedSize: 0 };

function withChunks(file: TestContent, chunks: readonly Chunk[]): TestContent {
  const digest = contentDigest({ ...file, chunks });
  return { ...file, digest, chunk: (index) => chunks[index]! };
}

function flip(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[7]! ^= 1;
  return copy;
}
