/** The store contract, run by every backend and wrapper. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blake2b } from '../../src/base/blake2b.ts';
import { createHub } from '../../src/hub/server.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { HttpStore } from '../../src/store/http.ts';
import { HubClient } from '../../src/store/hub-client.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { openRoutedStore, openStore } from '../../src/store/open.ts';
import { withRetry } from '../../src/store/retry.ts';
import { ALL_IDS, RouteStore } from '../../src/store/route.ts';
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
