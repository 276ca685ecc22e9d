import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { blake2bReady } from '../../../src/base/blake2b.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import { ChunkCache, type ChunkCacheOptions } from '../../../src/hub/chunk-cache/chunk-cache.ts';
import { chunkPath } from '../../../src/store/chunk-id.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { ChunkId, ChunkResult } from '../../../src/store/store.ts';
import { chunkOf, type FaultPlan, FaultyStore, unavailable } from '../../support/faulty-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const HOUR = 3_600_000;

before(blake2bReady);

/** A cache before a store in memory, with a clock and records of its own. */
async function world(
  t: TestContext,
  options: Partial<ChunkCacheOptions> & { plan?: FaultPlan } = {},
) {
  const { plan, ...rest } = options;
  const chunks = new MemoryStore();
  const backend = new FaultyStore(chunks, plan);
  const opened: ChunkCache[] = [];
  // Before the folder goes: what is being written would make it again.
  t.after(() => Promise.all(opened.map((cache) => cache.close())));
  const path = options.path ?? join(temporaryDirectory(t), 'cache');
  const records = new Set<ChunkId>();
  const clock = { ms: 0 };
  const open = async () => {
    const cache = await ChunkCache.open(backend, {
      sizeMax: 2 ** 30,
      isPublic: async (id) => !records.has(id),
      now: () => clock.ms,
      ...rest,
      path,
    });
    opened.push(cache);
    return cache;
  };
  const put = async (text: string) => {
    const chunk = chunkOf(text);
    await chunks.put(chunk.id, chunk.bytes);
    return chunk;
  };
  const cache = await open();
  return { cache, chunks, backend, path, records, clock, open, put };
}

/** What is read, whichever way it comes. */
async function read(cache: ChunkCache, id: ChunkId, isPublic = true): Promise<Uint8Array> {
  const got = await cache.read(id, isPublic);
  if (got instanceof Uint8Array) return got;
  const bytes = await got.handle.readFile();
  await got.handle.close();
  return bytes;
}

const isMissing = (error: unknown) => isG8Error(error, 'ERR_CHUNK_MISSING');

test('what was read once comes from the disk, also when many ask for it at once', async (t) => {
  const { cache, backend, put } = await world(t);
  const { id, bytes } = await put('one');
  const got = await Promise.all(Array.from({ length: 5 }, () => read(cache, id)));
  for (const each of got) assert.deepEqual(each, bytes);
  assert.equal(backend.calls, 1);
  await cache.settled();
  assert.deepEqual(new Uint8Array(await read(cache, id)), bytes);
  assert.equal(backend.calls, 1);
  const { hits, misses, count } = cache.status;
  assert.deepEqual({ hits, misses, count }, { hits: 1, misses: 1, count: 1 });
});

test('a batch takes each chunk from where it is, and says what is nowhere', async (t) => {
  const { cache, backend, put } = await world(t);
  const [one, two] = [await put('one'), await put('two')];
  const { id: absent } = chunkOf('absent');
  await read(cache, one.id);
  await cache.settled();
  const results = new Map<ChunkId, ChunkResult>();
  const ids = [one.id, absent, two.id, one.id];
  await cache.deliver(
    ids,
    () => true,
    (result) => {
      assert(!results.has(result.id));
      results.set(result.id, result);
    },
  );
  const bytesOf = (id: ChunkId) => (results.get(id) as { bytes: Uint8Array }).bytes;
  assert.deepEqual(new Uint8Array(bytesOf(one.id)), one.bytes);
  assert.deepEqual(bytesOf(two.id), two.bytes);
  assert(isMissing((results.get(absent) as { error: unknown }).error));
  assert.equal(backend.calls, 3);
});

test('what is not asked for longest goes first, and its file with it', async (t) => {
  // Small chunks count as 16 KiB.
  const { cache, path, backend, put } = await world(t, { sizeMax: 3 * 16 * 1024 });
  const chunks = [await put('a'), await put('b'), await put('c'), await put('d')] as const;
  const [a, b, , d] = chunks;
  for (const { id } of chunks.slice(0, 3)) {
    await read(cache, id);
    await cache.settled();
  }
  await read(cache, a.id);
  await read(cache, d.id);
  await cache.settled();
  assert.equal(cache.status.evicted, 1);
  assert.equal(cache.status.count, 3);
  await cache.close();
  await assert.rejects(readFile(join(path, chunkPath(b.id))), /ENOENT/);
  assert.equal((await readFile(join(path, chunkPath(a.id)))).length, 1);
  assert.equal(backend.calls, 4);
});

test('another process goes on with what is there, once it has looked at it', async (t) => {
  const { cache, path, backend, open, put } = await world(t);
  const [one, two] = [await put('one'), await put('two')];
  for (const { id } of [one, two]) await read(cache, id);
  await cache.close();
  await writeFile(join(path, chunkPath(two.id)), 'tow');
  const next = await open();
  await next.settled();
  assert.equal(next.status.count, 2);
  assert.deepEqual(new Uint8Array(await read(next, one.id)), one.bytes);
  assert.deepEqual(new Uint8Array(await read(next, two.id)), two.bytes);
  assert.deepEqual([next.status.hits, next.status.misses], [1, 1]);
  // Two were fetched, one was asked for, one was wrong and is fetched again.
  assert.equal(backend.calls, 4);
  await next.settled();
  assert.equal(await readFile(join(path, chunkPath(two.id)), 'utf8'), 'two');
});

test('another process keeps to its bound, the newest first', async (t) => {
  const { cache, path, put } = await world(t);
  const ids = [];
  for (const [age, text] of ['b', 'c', 'a'].entries()) {
    const { id } = await put(text);
    await read(cache, id);
    await cache.settled();
    await utimes(join(path, chunkPath(id)), age, age);
    ids.push(id);
  }
  await cache.close();
  const small = await world(t, { path, sizeMax: 2 * 16 * 1024 });
  await small.cache.settled();
  assert.equal(small.cache.status.count, 2);
  await small.cache.close();
  const are = ids.map((id) => existsSync(join(path, chunkPath(id))));
  assert.deepEqual(are, [false, true, true]);
});

test('a file that nobody knows is not taken for the chunk of its name', async (t) => {
  const { cache, path, put } = await world(t);
  const { id, bytes } = await put('one');
  await cache.settled();
  const file = join(path, chunkPath(id));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, 'owt');
  await read(cache, id);
  await cache.settled();
  assert.deepEqual(new Uint8Array(await read(cache, id)), bytes);
  assert.equal(cache.status.hits, 1);
});

test('a file that cannot be looked at hides no other', async (t) => {
  const { cache, path, open, put } = await world(t);
  for (const text of ['one', 'two']) await read(cache, (await put(text)).id);
  await cache.close();
  const looped = join(path, chunkPath(chunkOf('three').id));
  await mkdir(dirname(looped), { recursive: true });
  await symlink(looped, looped);
  const next = await open();
  await next.settled();
  assert.equal(next.status.count, 2);
  await assert.rejects(lstat(looped), /ENOENT/);
});

test('a folder that does not say that it is a cache is left alone', async (t) => {
  const path = join(temporaryDirectory(t), 'chunks');
  const { id, bytes } = chunkOf('one');
  const file = join(path, chunkPath(id));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
  await assert.rejects(
    world(t, { path, sizeMax: 1 }),
    (error: unknown) => isG8Error(error, 'ERR_CONFIG') && error.message.includes('CACHEDIR.TAG'),
  );
  assert.equal((await readFile(file)).length, bytes.length);
  const { path: own } = await world(t);
  assert.equal((await stat(own)).mode & 0o777, 0o700);
});

test('a chunk with other bytes than its id says is passed on and not kept', async (t) => {
  const plan: FaultPlan = (call) => (call === 1 ? { kind: 'flip' } : undefined);
  const { cache, put } = await world(t, { plan });
  const { id, bytes } = await put('one');
  assert.notDeepEqual(await read(cache, id), bytes);
  await cache.settled();
  assert.equal(cache.status.count, 0);
  assert.deepEqual(await read(cache, id), bytes);
  await cache.settled();
  assert.equal(cache.status.count, 1);
});

test('a chunk that is removed is served no more, also when it was on its way', async (t) => {
  let go = () => {};
  const until = new Promise<void>((resolve) => {
    go = resolve;
  });
  const plan: FaultPlan = (call) => (call === 2 ? { kind: 'delay', until } : undefined);
  const { cache, chunks, put } = await world(t, { plan });
  const [one, two] = [await put('one'), await put('two')];
  await read(cache, one.id);
  await cache.settled();
  const late = read(cache, two.id);
  for (const { id } of [one, two]) await cache.remove(id);
  go();
  assert.deepEqual(await late, two.bytes);
  await cache.settled();
  assert.equal(cache.status.count, 0);
  for (const { id } of [one, two]) {
    await chunks.delete(id);
    await assert.rejects(read(cache, id), isMissing);
  }
});

test('what another hub has collected goes within the hour', async (t) => {
  const { cache, chunks, clock, put } = await world(t);
  const { id, bytes } = await put('one');
  await read(cache, id);
  await cache.settled();
  await chunks.delete(id);
  clock.ms = HOUR - 1;
  assert.deepEqual(new Uint8Array(await read(cache, id)), bytes);
  clock.ms = HOUR;
  await assert.rejects(read(cache, id), isMissing);
  assert.equal(cache.status.count, 0);
});

test('a private chunk that is collected with its record is not public', async (t) => {
  const { cache, chunks, records, put } = await world(t);
  const { id, bytes } = await put('secret');
  records.add(id);
  await read(cache, id, false);
  await cache.settled();
  // At once for whoever is found in the record.
  assert.deepEqual(new Uint8Array(await read(cache, id, false)), bytes);
  assert.equal(cache.openCached(id, true), undefined);
  records.delete(id);
  await chunks.delete(id);
  await assert.rejects(read(cache, id, true), isMissing);
});

test('a private chunk that becomes public is served at once from its second time on', async (t) => {
  const { cache, backend, records, put } = await world(t);
  const { id, bytes } = await put('one');
  records.add(id);
  await read(cache, id, false);
  await cache.settled();
  records.delete(id);
  assert.deepEqual(new Uint8Array(await read(cache, id, true)), bytes);
  assert.equal(backend.calls, 2);
  assert.deepEqual(new Uint8Array(await read(cache, id, true)), bytes);
  assert.equal(backend.calls, 2);
});

test('a chunk that becomes private while it is read is not kept as a public one', async (t) => {
  const { cache, chunks, records, put } = await world(t);
  const { id } = await put('one');
  records.add(id);
  // Whoever asks has found no record: it was made since.
  await read(cache, id, true);
  await cache.settled();
  records.delete(id);
  await chunks.delete(id);
  await assert.rejects(read(cache, id, true), isMissing);
});

test('while the backend is away, what is known to be public is served', async (t) => {
  let isAway = false;
  const plan: FaultPlan = () => (isAway ? { kind: 'fail', error: unavailable() } : undefined);
  const { cache, clock, records, put } = await world(t, { plan });
  const [open, closed] = [await put('open'), await put('closed')];
  records.add(closed.id);
  await read(cache, open.id, true);
  await read(cache, closed.id, false);
  await cache.settled();
  isAway = true;
  clock.ms = 2 * HOUR;
  assert.deepEqual(new Uint8Array(await read(cache, open.id, true)), open.bytes);
  assert.deepEqual(new Uint8Array(await read(cache, closed.id, false)), closed.bytes);
  records.delete(closed.id);
  await assert.rejects(read(cache, closed.id, true), /down/);
});
