/** The store contract, run by every backend and wrapper. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blake2b } from '../../src/base/blake2b.ts';
import { createHub } from '../../src/hub/server.ts';
import { writeBundle } from '../../src/image/bundle.ts';
import { BundleStore } from '../../src/store/bundle.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { HttpStore } from '../../src/store/http.ts';
import { HubClient } from '../../src/store/hub-client.ts';
import { ALL_IDS } from '../../src/store/id-range.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { openRoutedStore, openStore } from '../../src/store/open.ts';
import { withRetry } from '../../src/store/retry.ts';
import { RouteStore } from '../../src/store/route.ts';
import type { ChunkStore } from '../../src/store/store.ts';
import { withVerify } from '../../src/store/verify.ts';
import { FaultyStore, failFirst } from '../support/faulty-store.ts';
import { startServer } from '../support/http-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { storeContract } from './store-contract.ts';

storeContract('MemoryStore', async () => {
  const store = new MemoryStore();
  return { store, source: store };
});

storeContract('DirectoryStore', async (t) => {
  const path = join(temporaryDirectory(t), 'new');
  const store = new DirectoryStore({ path, create: true });
  return { store, source: store };
});

storeContract('DirectoryStore with fsync', async (t) => {
  const path = temporaryDirectory(t);
  const store = new DirectoryStore({ path, fsync: true });
  return { store, source: store };
});

storeContract('HttpStore on a hub', async (t) => {
  const hub = await createHub({
    dataDir: temporaryDirectory(t),
    logger: false,
    fsync: false,
  });
  const store = new HttpStore(hub.url);
  t.after(async () => {
    await store.close();
    await hub.close();
  });
  return { store, source: store };
});

storeContract('HttpStore on a static server', async (t) => {
  const root = temporaryDirectory(t);
  const { url } = await startServer(t, (request, response) => {
    readFile(join(root, request.url ?? '')).then(
      (bytes) => response.writeHead(200).end(request.method === 'HEAD' ? undefined : bytes),
      () => response.writeHead(404).end(),
    );
  });
  const store = new HttpStore(`${url}/`);
  t.after(() => store.close());
  return { store, source: new DirectoryStore({ path: root }) };
});

storeContract('HubClient chunks', async (t) => {
  const hub = await createHub({
    dataDir: temporaryDirectory(t),
    logger: false,
    fsync: false,
  });
  const client = new HubClient(hub.url);
  t.after(async () => {
    await client.close();
    await hub.close();
  });
  return { store: client.chunks, source: client.chunks };
});

/** A bundle is written whole: what was put is in it from the next read on. */
storeContract('BundleStore', async (t) => {
  const folder = temporaryDirectory(t);
  const [flist, path] = [join(folder, 'flist'), join(folder, 'some.bundle')];
  await writeFile(flist, 'stands for a flist');
  const source = new MemoryStore();
  const chunks = new Set<string>();
  const { put } = source;
  let bundle: BundleStore | undefined;
  source.put = async (id, bytes, options) => {
    await put.call(source, id, bytes, options);
    chunks.add(id);
    await bundle?.close();
    bundle = undefined;
  };
  const opened = async (): Promise<BundleStore> => {
    if (bundle !== undefined) return bundle;
    const info = { rootDigest: '', chunks: chunks.size, absentChunks: 0, bases: [] };
    await writeBundle(path, {
      flist,
      signature: undefined,
      chunks: [...chunks],
      info,
      store: source,
    });
    bundle = new BundleStore(path);
    return bundle;
  };
  t.after(async () => await bundle?.close());
  const store: ChunkStore = {
    name: path,
    get: async (id, options) => await (await opened()).get(id, options),
    missing: async (ids, options) => await (await opened()).missing(ids, options),
    getMany: async function* (ids, options) {
      yield* (await opened()).getMany(ids, options);
    },
    close: async () => await (await opened()).close(),
  };
  return { store, source };
});

const clock = { now: () => 0, sleep: async () => {}, random: () => 0 };

storeContract('withRetry() around a failing store', async () => {
  const source = new MemoryStore();
  const store = withRetry(new FaultyStore(source, failFirst(2)), undefined, clock);
  return { store, source };
});

storeContract('withVerify()', async () => {
  const source = new MemoryStore();
  const store = withVerify(source, blake2b);
  return { store, source };
});

storeContract('RouteStore over several pools', async () => {
  const source = new MemoryStore('second');
  const pool = (name: string, stores: MemoryStore[]) => ({
    name,
    cache: false,
    routes: stores.map((store) => ({ range: ALL_IDS, store })),
  });
  const lookup = [
    pool('0.empty', [new MemoryStore('first'), new MemoryStore('other')]),
    pool('1.full', [source, new MemoryStore('third')]),
  ];
  return { store: new RouteStore({ lookup }), source };
});

storeContract('openRoutedStore()', async (t) => {
  const path = temporaryDirectory(t);
  await mkdir(join(path, 'empty'));
  await mkdir(join(path, 'full'));
  const source = openStore(`dir://${path}/full`);
  return { store: openRoutedStore({ urls: [`${path}/empty`, `file://${path}/full`] }), source };
});
