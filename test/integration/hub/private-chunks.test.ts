/** Chunks of private flists over HTTP: who gets them, in every way that chunks can be had. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { HubOptions } from '../../../src/hub/options.ts';
import { addon } from '../../../src/native/load.ts';
import { FRAME_STATUS, FrameDecoder } from '../../../src/store/chunk-frames.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { ChunkId } from '../../../src/store/store.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { UsersHub } from '../../support/hub-users.ts';
import { ImageMaker } from '../../support/made-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let hub: UsersHub;
let alice: string;
let bob: string;
let carol: string;

/** Makes an image of two files, uploads its chunks and gives their ids and the flist. */
async function image(t: TestContext, token: string, text: string) {
  const source = join(temporaryDirectory(t), 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'one'), `${text} one`.repeat(500));
  writeFileSync(join(source, 'two'), `${text} two`.repeat(500));
  const client = new HubClient(hub.url, { http: { token } });
  t.after(() => client.close());
  const ids: ChunkId[] = [];
  const bytes = new Map<ChunkId, Uint8Array>();
  const { chunks } = client;
  const put = async (id: ChunkId, stored: Uint8Array) => {
    ids.push(id);
    bytes.set(id, Buffer.from(stored));
    await chunks.put(id, stored);
  };
  const store = {
    name: chunks.name,
    get: chunks.get.bind(chunks),
    getMany: chunks.getMany.bind(chunks),
    missing: chunks.missing.bind(chunks),
    close: async () => {},
    put,
  };
  const { output } = await new ImageMaker(t).create(source as never, { store });
  assert(ids.length >= 2);
  return { ids, bytes, flist: await readFile(output) };
}

const publish = (token: string, name: string, body: Uint8Array) =>
  hub.status('PUT', `/api/v1/flists/${name}`, { token, body });

/** How many of the chunks somebody gets, which is the same in every way of asking. */
async function readable(ids: readonly ChunkId[], token?: string): Promise<number> {
  const counts: number[] = [];
  const paths = [
    (id: string) => `/api/v1/chunks/${id}`,
    (id: string) => `/chunks/${id.slice(0, 2)}/${id}`,
    (id: string) => `/${id.slice(0, 2)}/${id}`,
  ];
  for (const path of paths) {
    const statuses = await Promise.all(ids.map((id) => hub.status('GET', path(id), { token })));
    assert(statuses.every((status) => status === 200 || status === 404));
    counts.push(statuses.filter((status) => status === 200).length);
  }
  const heads = await Promise.all(
    ids.map((id) => hub.status('HEAD', `/api/v1/chunks/${id}`, { token })),
  );
  counts.push(heads.filter((status) => status === 200).length);
  const asked = { token, body: { ids } };
  const { missing } = await hub.json<{ missing: string[] }>(
    'POST',
    '/api/v1/chunks/missing',
    asked,
  );
  counts.push(ids.length - missing.length);
  const batch = await hub.ask('POST', '/api/v1/chunks/batch', asked);
  const frames = new FrameDecoder().push(Buffer.from(await batch.arrayBuffer()));
  counts.push([...frames].filter(({ status }) => status === FRAME_STATUS.ok).length);
  assert.equal(new Set(counts).size, 1, `not the same in every way: ${counts}`);
  return counts[0] as number;
}

const PLACES: readonly (readonly [string, () => Partial<HubOptions>])[] = [
  ['in a folder', () => ({})],
  [
    'elsewhere, with a cache in front',
    () => ({
      chunks: new MemoryStore(),
      chunkCache: { sizeMax: 2 ** 26 },
      metrics: { host: '127.0.0.1', port: 0 },
    }),
  ],
];

for (const [place, options] of PLACES)
  describe(`chunks ${place}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'g8ufs-private-'));
    before(async () => {
      hub = await UsersHub.start(folder, { addon: addon(), ...options() });
      alice = await hub.user('alice');
      bob = await hub.user('bob');
      carol = await hub.user('carol');
    });
    after(async () => {
      await hub.hub.close();
      rmSync(folder, { recursive: true, force: true });
    });

    test('what somebody uploads is theirs until a flist brings it to others', async (t) => {
      const { ids, flist } = await image(t, alice, 'public');
      const all = ids.length;
      assert.deepEqual(await Promise.all([readable(ids), readable(ids, bob)]), [0, 0]);
      assert.deepEqual([await readable(ids, alice), await readable(ids, hub.admin)], [all, all]);
      const own = await hub.ask('GET', `/api/v1/chunks/${ids[0]}`, { token: alice });
      assert.match(own.headers.get('cache-control') ?? '', /^private/);
      assert.equal(own.headers.get('access-control-allow-origin'), null);
      await own.arrayBuffer();
      assert.equal(await publish(alice, 'alice/app', flist), 201);
      assert.deepEqual([await readable(ids), await readable(ids, bob)], [all, all]);
      const open = await hub.ask('GET', `/api/v1/chunks/${ids[0]}`);
      assert.match(open.headers.get('cache-control') ?? '', /^public/);
      await open.arrayBuffer();
    });

    test('chunks of a private flist are for its readers', async (t) => {
      const { ids, bytes, flist } = await image(t, alice, 'private');
      const all = ids.length;
      const vault = { token: alice, body: { name: 'vault', visibility: 'private' } };
      assert.equal(await hub.status('POST', '/api/v1/repositories', vault), 201);
      const receipt = await hub.json<{ digest: string }>('PUT', '/api/v1/flists/vault/app', {
        token: alice,
        body: flist,
      });
      const member = '/api/v1/repositories/vault/members/carol';
      await hub.status('PUT', member, { token: alice, body: { right: 'read' } });
      assert.deepEqual([await readable(ids, alice), await readable(ids, carol)], [all, all]);
      assert.deepEqual([await readable(ids), await readable(ids, bob)], [0, 0]);
      // A flist of one piece is a chunk as well.
      assert.deepEqual(
        [await readable([receipt.digest], bob), await readable([receipt.digest], carol)],
        [0, 1],
      );

      // Whoever has got hold of the flist cannot make its chunks public.
      assert.equal(await publish(bob, 'bob/leak', flist), 201);
      assert.deepEqual([await readable(ids), await readable(ids, bob)], [0, 0]);
      // Nor read its files, as pages, as downloads or as a website.
      assert.equal(await hub.status('GET', '/bob/leak.flist/raw/one'), 404);
      const page = await (await hub.ask('GET', '/bob/leak.flist/tree/one')).text();
      assert.match(page, /The content is not to be had here/);
      const stored = await hub.json<{ file_hash: string }>('POST', '/api/v1/file', {
        token: bob,
        body: flist,
      });
      assert.equal(await hub.status('GET', `/website/${stored.file_hash}/one`), 404);

      // Whoever has the bytes themselves has nothing to gain from the hub, and is told so.
      const [first] = ids as [ChunkId];
      const sent = await hub.json<{ status: string }>('PUT', `/api/v1/chunks/${first}`, {
        token: bob,
        body: bytes.get(first),
      });
      assert.equal(sent.status, 'known');
      assert.deepEqual([await readable([first], bob), await readable(ids, bob)], [1, 1]);
      assert.equal(await readable([first]), 0);

      assert.equal(await hub.status('DELETE', member, { token: alice }), 204);
      assert.equal(await readable(ids, carol), 0);
      const open = { token: alice, body: { visibility: 'public' } };
      assert.equal(await hub.status('PATCH', '/api/v1/repositories/vault', open), 200);
      assert.equal(await readable(ids), all);
    });

    test('wrong credentials get no chunk that needs some', async (t) => {
      const { ids } = await image(t, alice, 'wrong');
      const asked = { headers: { authorization: `Bearer g8_${'0'.repeat(16)}_${'0'.repeat(64)}` } };
      assert.equal(await hub.status('GET', `/api/v1/chunks/${ids[0]}`, asked), 401);
    });

    test('a quota bounds what a user uploads, in chunks and flists', async (t) => {
      const dave = await hub.user('dave', { quota: 1000 });
      const chunks = ['a', 'b', 'c'].map((letter) => chunkOf(letter.repeat(400)));
      const put = ({ id, bytes }: (typeof chunks)[number], token = dave) =>
        hub.status('PUT', `/api/v1/chunks/${id}`, { token, body: bytes });
      const [a, b, c] = chunks as [(typeof chunks)[0], (typeof chunks)[0], (typeof chunks)[0]];
      assert.deepEqual([await put(a), await put(b), await put(c)], [201, 201, 403]);
      assert.equal(await put(a), 200, 'what is there already costs nothing');
      const used = async () =>
        (await hub.json<{ used: number }>('GET', '/api/v1/users/dave', { token: dave })).used;
      assert.equal(await used(), 800);
      const response = await hub.ask('PUT', `/api/v1/chunks/${c.id}`, {
        token: dave,
        body: c.bytes,
      });
      assert.match(await response.text(), /The quota of dave is used up: 800 of 1000 bytes/);
      const { flist } = await image(t, alice, 'quota');
      assert.equal(await publish(dave, 'dave/app', flist), 403);
      assert.equal(await hub.status('GET', '/dave/app.flist'), 404);
      const more = { token: hub.admin, body: { used: 0 } };
      assert.equal(await hub.status('PATCH', '/api/v1/users/dave', more), 200);
      assert.equal(await put(c), 201);
      assert.equal(await used(), 400);
      // Its sum is not exceeded by uploads at the same time either.
      const many = Array.from({ length: 8 }, (_, i) => chunkOf(`${i}`.repeat(200)));
      const statuses = await Promise.all(many.map((chunk) => put(chunk)));
      assert.equal(statuses.filter((status) => status === 201).length, 3);
      assert.equal(await used(), 1000);
    });

    if ('chunkCache' in options())
      test('the cache has served some of it', async () => {
        const response = await fetch(hub.hub.metricsUrl as string);
        const [, hits] =
          /^g8ufs_hub_chunk_cache_hits_total (\d+)$/m.exec(await response.text()) ?? [];
        assert(Number(hits) > 0);
      });
  });
