/** Runs over the chunks of a hub by HTTP and by commands; hubs over Redis; sync, backup and restore. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import type { HubOptions } from '../../../src/hub/options.ts';
import { createHub, type Hub } from '../../../src/hub/server.ts';
import { type SyncedHub, syncHubs } from '../../../src/hub/sync.ts';
import { HttpClient } from '../../../src/store/http-client.ts';
import { HubAdmin } from '../../../src/store/hub-admin.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import { HubLinks } from '../../../src/store/hub-links.ts';
import { checkResult, collectResult, runAtHub, statsResult } from '../../../src/store/hub-runs.ts';
import type { ChunkId } from '../../../src/store/store.ts';
import { flistOf } from '../../support/flist-package.ts';
import { chunkIdsOf, ImageMaker } from '../../support/made-image.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

async function startHub(t: TestContext, options: Partial<HubOptions> = {}): Promise<Hub> {
  const dataDir = options.dataDir ?? temporaryDirectory(t);
  const hub = await createHub({ dataDir, logger: false, fsync: false, ...options });
  t.after(() => hub.close());
  return hub;
}

/** An image of one small file and its chunks. */
async function makeImage(t: TestContext, text: string) {
  const images = new ImageMaker(t);
  const folder = temporaryDirectory(t);
  const { writeFile } = await import('node:fs/promises');
  await writeFile(join(folder, 'file'), text);
  const { output } = await images.create(folder);
  const ids = [...(await images.inodes(output)).values()].flatMap((inode) => chunkIdsOf(inode));
  return { output, ids, store: images.store };
}

async function publish(t: TestContext, url: string, name: string): Promise<ChunkId[]> {
  const { output, ids, store } = await makeImage(t, `content of ${name}`);
  const client = new HubClient(url);
  t.after(() => client.close());
  for (const id of await client.chunks.missing(ids)) {
    await client.chunks.put(id, await store.get(id));
  }
  await client.uploadFlist({ repository: 'repo', name, source: output });
  return ids;
}

function clientOf(t: TestContext, hub: Hub, token = hub.firstAdmin?.token): HttpClient {
  const client = new HttpClient(hub.url, { token });
  t.after(() => client.close());
  return client;
}

function syncedHub(t: TestContext, { url }: Hub, token?: string): SyncedHub {
  const http = { token };
  const hub = {
    client: new HubClient(url, { http }),
    links: new HubLinks(url, { http }),
    admin: new HubAdmin(url, http),
  };
  t.after(() => Promise.all(Object.values(hub).map((way) => way.close())));
  return hub;
}

const GC = { path: '/api/v1/collect/gc', result: collectResult };

test('a run by HTTP gives its result; one at a time, and for administrators only', async (t) => {
  const hub = await startHub(t);
  const ids = await publish(t, hub.url, 'app');
  const admin = clientOf(t, hub);
  const result = await runAtHub(admin, { ...GC, body: { dryRun: true } });
  assert.deepEqual([result.packages, result.chunks, result.garbage], [1, ids.length + 1, 0]);
  const stats = await runAtHub(admin, {
    path: '/api/v1/collect/stats',
    body: {},
    result: statsResult,
  });
  assert.equal(stats.flists[0]?.name, 'app.flist');
  const check = await runAtHub(admin, {
    path: '/api/v1/collect/check',
    body: {},
    result: checkResult,
  });
  assert.deepEqual([check.chunks, check.corrupt], [ids.length + 1, 0]);
  for (const token of [undefined, 'g8_nobody_secret']) {
    const refused = runAtHub(clientOf(t, { ...hub, firstAdmin: undefined }, token), {
      ...GC,
      body: {},
    });
    await assert.rejects(refused, (error) => isG8Error(error, 'ERR_PERMISSION'));
  }
  const url = `${hub.url}/api/v1/collect/gc`;
  const headers = {
    authorization: `Bearer ${hub.firstAdmin?.token}`,
    'content-type': 'application/json',
  };
  const bad = await fetch(url, { method: 'POST', headers, body: '{"graceMs":-1}' });
  assert.equal(bad.status, 400);
});

test('hub gc, check and stats: beside no hub, and beside one that has the catalogue', async (t) => {
  const dataDir = temporaryDirectory(t);
  const hub = await startHub(t, { dataDir });
  await publish(t, hub.url, 'app');
  const port = new URL(hub.url).port;
  const env = { G8UFS_HUB_LISTEN: `127.0.0.1:${port}`, G8UFS_HUB_DATA: dataDir };
  const asked = await runCli(['hub', 'gc', '--dry-run', '--json'], env);
  assert.equal(asked.code, 0, asked.stderr);
  assert.equal(JSON.parse(asked.stdout).garbage, 0);
  await hub.close();
  const chunk = JSON.parse((await runCli(['hub', 'check', '--json'], env)).stdout);
  assert.deepEqual([chunk.chunks, chunk.corrupt, chunk.missing], [2, 0, 0]);
  const stats = await runCli(['hub', 'stats'], env);
  assert.match(stats.stdout, /^repo\/app\.flist +\S+ \w+ +\S+ \w+\n2 chunks, .*: 1\.00 to 1\n$/);
  const wrong = await runCli(['hub', 'gc', '--grace', 'soon'], env);
  assert.equal(wrong.code, 64);
});

test('hubs over Redis, and a collector that takes what is not in its catalogue for garbage', async (t) => {
  const chunks = `redis://${redis.address}/1`;
  const first = await startHub(t, { chunks });
  const ids = await publish(t, first.url, 'app');
  const admin = clientOf(t, first);
  const whole = await runAtHub(admin, { ...GC, body: { graceMs: 0 } });
  assert.deepEqual([whole.chunks, whole.garbage], [ids.length + 1, 0]);
  // Another catalogue over the same backend: to its collector all of this is garbage, which the next run deletes.
  const other = await startHub(t, { chunks });
  const nobody = clientOf(t, other);
  const noted = await runAtHub(nobody, { ...GC, body: { graceMs: 0 } });
  assert.deepEqual([noted.garbage, noted.deleted], [ids.length + 1, 0]);
  const client = new HubClient(other.url);
  t.after(() => client.close());
  assert.deepEqual(await client.chunks.missing(ids), []);
  const day = 24 * 3_600_000;
  const spared = await runAtHub(nobody, { ...GC, body: { graceMs: day } });
  assert.deepEqual([spared.garbage, spared.deleted], [ids.length + 1, 0]);
  const last = await runAtHub(nobody, { ...GC, body: { graceMs: 0 } });
  assert.equal(last.deleted, ids.length + 1);
  assert.deepEqual((await client.chunks.missing(ids)).sort(), [...ids].sort());
});

test('sync brings what is missing, goes on after an interruption, and brings texts', async (t) => {
  const [from, to] = [await startHub(t), await startHub(t)];
  for (const name of ['a', 'b']) await publish(t, from.url, name);
  const source = syncedHub(t, from);
  const target = syncedHub(t, to);
  const options = { tmpDir: temporaryDirectory(t), streams: undefined };
  const controller = new AbortController();
  const interrupted = syncHubs(source, target, {
    ...options,
    signal: controller.signal,
    onProgress: ({ copied }) => copied === 1 && controller.abort(),
  });
  await assert.rejects(interrupted, (error) => isG8Error(error, 'ERR_ABORTED'));
  const { signal } = new AbortController();
  const rest = await syncHubs(source, target, { ...options, signal });
  assert.deepEqual([rest.flists, rest.copied], [2, 1]);
  const again = await syncHubs(source, target, { ...options, signal });
  assert.deepEqual(again, { flists: 2, copied: 0, chunks: 0, bytes: 0, links: 0, left: [] });
  for (const file of ['a.flist', 'b.flist', 'b.flist.md5']) {
    const [here, there] = await Promise.all(
      [from, to].map(async ({ url }) =>
        Buffer.from(await (await fetch(`${url}/repo/${file}`)).arrayBuffer()),
      ),
    );
    assert(here?.equals(there as Buffer), file);
  }
  const checked = await runAtHub(clientOf(t, to), {
    path: '/api/v1/collect/check',
    body: {},
    result: checkResult,
  });
  assert.deepEqual([checked.chunks, checked.missing, checked.damagedPackages], [4, 0, []]);
});

test('sync brings links and tags, and private repositories as such', async (t) => {
  const [from, to] = [await startHub(t), await startHub(t)];
  const [source, target] = [from, to].map((hub) => syncedHub(t, hub, hub.firstAdmin?.token)) as [
    SyncedHub,
    SyncedHub,
  ];
  await publish(t, from.url, 'app');
  const { client, links, admin } = source;
  const app = { repository: 'repo', name: 'app' };
  await client.setTag({ repository: 'repo', tag: 'stable', name: 'app' }, app);
  const latest = { repository: 'repo', name: 'latest' };
  await links.set({ kind: 'link', ...latest, target: app });
  // Comes before what it leads to.
  await links.set({ kind: 'link', repository: 'repo', name: 'first', target: latest });
  const tag = { repository: 'repo', tag: 'stable' };
  await links.set({ kind: 'taglink', repository: 'repo', name: 'now', target: tag });
  await admin.createRepository({ name: 'secret', visibility: 'private' });
  await client.copyFlist(app, { repository: 'secret', name: 'own' });

  const { signal } = new AbortController();
  const options = { tmpDir: temporaryDirectory(t), streams: undefined, signal };
  const result = await syncHubs(source, target, options);
  assert.deepEqual([result.copied, result.links, result.left], [2, 4, []]);
  assert.deepEqual(await target.links.list('repo'), await links.list('repo'));
  assert.equal((await fetch(`${to.url}/repo/first.flist`)).status, 200);
  assert.equal((await fetch(`${to.url}/secret/own.flist`)).status, 404);
  assert.equal((await target.admin.getRepository('secret')).visibility, 'private');
  assert.equal((await syncHubs(source, target, options)).links, 0);

  // A flist has the name there: it is left alone, and said so.
  await client.setTag({ repository: 'repo', tag: 'old', name: 'app' }, app);
  await links.set({ kind: 'link', repository: 'repo', name: 'taken', target: app });
  await target.client.copyFlist(app, { repository: 'repo', name: 'taken' });
  const rest = await syncHubs(source, target, options);
  assert.deepEqual([rest.links, rest.left], [1, ['repo/taken']]);

  await target.admin.changeRepository('secret', { visibility: 'public' });
  await assert.rejects(syncHubs(source, target, options), (error) =>
    isG8Error(error, 'ERR_PERMISSION'),
  );
});

test('sync fails for a flist that lacks chunks, and leaves no flist there', async (t) => {
  const [from, to] = [await startHub(t), await startHub(t)];
  const { output } = await makeImage(t, 'nobody has this');
  const source = syncedHub(t, from);
  const target = syncedHub(t, to);
  await source.client.uploadFlist({ repository: 'repo', name: 'broken', source: output });
  const { signal } = new AbortController();
  const sync = syncHubs(source, target, {
    tmpDir: temporaryDirectory(t),
    streams: undefined,
    signal,
  });
  await assert.rejects(sync, (error) => isG8Error(error, 'ERR_CHUNK_MISSING'));
  assert.equal((await fetch(`${to.url}/repo/broken.flist`)).status, 404);
});

test('a copy of the folder of a hub that was stopped is the same hub', async (t) => {
  const dataDir = temporaryDirectory(t);
  const hub = await startHub(t, { dataDir });
  await publish(t, hub.url, 'app');
  const body = flistOf('a flist');
  await fetch(`${hub.url}/api/v1/flists/repo/odd`, { method: 'PUT', body });
  await hub.close();
  const copy = join(temporaryDirectory(t), 'copy');
  cpSync(dataDir, copy, { recursive: true });
  rmSync(dataDir, { recursive: true });
  const restored = await startHub(t, { dataDir: copy });
  const token = readFileSync(join(copy, 'admin-token'), 'utf8').trim();
  const got = await (await fetch(`${restored.url}/repo/odd.flist`)).arrayBuffer();
  assert(Buffer.from(got).equals(body));
  const result = await runAtHub(clientOf(t, restored, token), {
    path: '/api/v1/collect/check',
    body: {},
    result: checkResult,
  });
  assert.deepEqual([result.corrupt, result.missing, result.damaged], [0, 0, []]);
});
