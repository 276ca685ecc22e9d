import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type ErrorCode, G8Error, isG8Error } from '../../../src/base/errors.ts';
import { hubBase } from '../../../src/fs/hub-base.ts';
import { LazyStore, openMountStore } from '../../../src/fs/mount-store.ts';
import { formatRouter } from '../../../src/image/router.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { ChunkStore } from '../../../src/store/store.ts';
import { startServer } from '../../support/http-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const ID = 'ab'.repeat(32);
const AT_PATH = { source: '/a.flist', deadlineMs: 5_000 } as const;
const fails = (code: ErrorCode) => (error: unknown) => isG8Error(error, code);

/** A lazy store and how often it was opened and closed. */
function lazy(open: () => Promise<ChunkStore> = async () => new MemoryStore()) {
  const counts = { opened: 0, closed: 0 };
  const store = new LazyStore('lazy', async () => {
    counts.opened++;
    const inner = await open();
    const close = inner.close.bind(inner);
    inner.close = async () => {
      counts.closed++;
      await close();
    };
    return inner;
  });
  return { store, counts };
}

async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}

test('LazyStore opens nothing before it is asked', async () => {
  const { store, counts } = lazy();
  assert.equal(store.name, 'lazy');
  await store.close();
  assert.deepEqual(counts, { opened: 0, closed: 0 });
});

test('LazyStore opens once for calls of every kind, also at once', async () => {
  const memory = new MemoryStore();
  await memory.put(ID, new Uint8Array([1, 2]));
  const { store, counts } = lazy(async () => memory);
  const [bytes, many, missing] = await Promise.all([
    store.get(ID),
    first(store.getMany([ID])),
    store.missing([ID]),
    store.warmUp(),
  ]);
  assert.deepEqual([bytes, missing], [new Uint8Array([1, 2]), []]);
  assert.deepEqual(many, { id: ID, bytes: new Uint8Array([1, 2]) });
  await store.close();
  assert.deepEqual(counts, { opened: 1, closed: 1 });
});

test('LazyStore fails every call with the error of the opening', async () => {
  const error = new G8Error('ERR_CONFIG', 'Bad URL');
  const { store, counts } = lazy(() => Promise.reject(error));
  const isIt = (thrown: unknown) => thrown === error;
  await assert.rejects(store.get(ID), isIt);
  await assert.rejects(first(store.getMany([ID])), isIt);
  await assert.rejects(store.missing([ID]), isIt);
  await store.close();
  assert.deepEqual(counts, { opened: 1, closed: 0 });
});

test('LazyStore is not opened by a call that comes after its end', async () => {
  const { store, counts } = lazy();
  await store.close();
  await assert.rejects(store.get(ID), fails('ERR_ABORTED'));
  assert.equal(counts.opened, 0);
});

/** A hub without chunks that says who was asked. */
async function emptyHub(t: TestContext, name: string, asked: string[]): Promise<string> {
  const { url } = await startServer(t, (request, response) => {
    request.resume();
    asked.push(name);
    response.writeHead(404).end();
  });
  return url;
}

test('openMountStore() asks the router of the flist, then the stores, then the hub', async (t) => {
  const asked: string[] = [];
  const routed = await emptyHub(t, 'router', asked);
  const named = await emptyHub(t, 'store', asked);
  const hub = await emptyHub(t, 'hub', asked);
  const store = openMountStore({
    source: `${hub}/alice/a.flist`,
    stores: [named],
    deadlineMs: 5_000,
    image: { router: formatRouter(routed) },
  });
  t.after(() => store.close());
  await assert.rejects(store.get(ID), fails('ERR_CHUNK_MISSING'));
  assert.deepEqual([...new Set(asked)], ['router', 'store', 'hub']);
});

test('openMountStore() asks no hub for a flist from a path', async (t) => {
  const dir = join(temporaryDirectory(t), 'store');
  mkdirSync(dir);
  const store = openMountStore({ ...AT_PATH, stores: [dir], image: { router: undefined } });
  t.after(() => store.close());
  await assert.rejects(store.get(ID), fails('ERR_CHUNK_MISSING'));
});

test('openMountStore() gives a flist no way to the directories of this machine', async (t) => {
  const dir = temporaryDirectory(t);
  const router = formatRouter(`dir://${dir}`);
  const store = openMountStore({ ...AT_PATH, stores: [], image: { router } });
  t.after(() => store.close());
  await assert.rejects(store.get(ID), fails('ERR_PERMISSION'));
});

for (const [name, options] of [
  ['router that is none', { stores: [], image: { router: 'pools: [' } }],
  ['store URL of an unknown scheme', { stores: ['gopher://x'], image: { router: undefined } }],
] as const) {
  test(`openMountStore() fails the calls, not the mount, for a ${name}`, async (t) => {
    const store = openMountStore({ ...AT_PATH, ...options });
    t.after(() => store.close());
    await assert.rejects(store.get(ID), fails('ERR_CONFIG'));
    await assert.rejects(store.missing([ID]), fails('ERR_CONFIG'));
  });
}

for (const [source, expected] of [
  ['/images/a.flist', undefined],
  ['http://hub/alice/a.flist', 'http://hub'],
  ['https://hub:8443/base/alice/a.flist?x=/y/z', 'https://hub:8443/base'],
  ['http://user:pass@hub/alice/a.flist', 'http://user:pass@hub'],
  ['http://hub/a.flist', 'http://hub'],
] as const) {
  test(`hubBase() is ${expected} for ${source}`, () => {
    assert.equal(hubBase(source), expected);
  });
}
