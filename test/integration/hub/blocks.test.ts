/** Blocks, files, images and websites as clients of the newer historical server ask for them (docs/hub-api.md). */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { addon } from '../../../src/native/load.ts';
import { UsersHub } from '../../support/hub-users.ts';
import { OldClient } from '../../support/old-client.ts';
import { TAR_END, tarFile } from '../../support/tar-blocks.ts';

const JSON_TYPE = 'application/json';
const BYTES = 'application/octet-stream';
const BLOCK = randomBytes(1000);
const ID = toHex(blake2b(BLOCK, 32));
const SHORT = randomBytes(100);
const SHORT_ID = toHex(blake2b(SHORT, 16));
const NOWHERE = 'ab'.repeat(32);
const FILE_HASH = createHash('sha256').update('a file').digest('hex');

const folder = mkdtempSync(join(tmpdir(), 'g8ufs-blocks-'));
let hub: UsersHub;
let nobody: OldClient;
let alice: OldClient;

before(async () => {
  hub = await UsersHub.start(folder, { addon: addon() });
  nobody = new OldClient(hub.url);
  alice = nobody.with({ authorization: `Bearer ${await hub.user('alice')}` });
});

after(async () => {
  await hub.hub.close();
  rmSync(folder, { recursive: true, force: true });
});

test('GET /api/v1 says that it works', async () => {
  assert.equal((await nobody.get('/api/v1')).json()['msg'], 'flist server is working');
});

test('a block is stored under the digest that the hub makes, once', async () => {
  const post = (client: OldClient, query: string) =>
    client.post(`/api/v1/block${query}`, BLOCK, BYTES);
  assert.equal((await post(nobody, '')).status, 401);
  const first = await post(alice, `?file_hash=${FILE_HASH}&idx=3`);
  assert.deepEqual([first.status, first.json()['hash']], [201, ID]);
  const again = await post(alice, '?file_hash=&idx=0');
  assert.deepEqual([again.status, again.json()['hash']], [200, ID]);
  for (const query of ['?file_hash=..', '?idx=-1', '?idx=x', '?idx=999999999']) {
    assert.equal((await post(alice, query)).status, 400, query);
  }
  assert.equal((await alice.post('/api/v1/block', '', BYTES)).status, 400);
  const large = await alice.post('/api/v1/block', Buffer.alloc(5 * 1024 * 1024 + 1), BYTES);
  assert.equal(large.status, 413);
});

test('blocks come by ids of either length, and are counted', async () => {
  const kept = await alice.send('PUT', `/api/v1/chunks/${SHORT_ID}`, SHORT);
  assert.equal(kept.status, 201);
  for (const [id, bytes] of [
    [ID, BLOCK],
    [SHORT_ID, SHORT],
  ] as const) {
    assert(bytes.equals((await alice.get(`/api/v1/block/${id}`)).body));
    assert.equal((await alice.send('HEAD', `/api/v1/block/${id}`)).status, 200);
  }
  const count = await alice.get(`/api/v1/block/${ID}/downloads`);
  assert.deepEqual(count.json(), { block_hash: ID, downloads_count: 1, block_size: 1000 });
  assert.equal((await alice.send('HEAD', `/api/v1/block/${NOWHERE}`)).status, 404);
  assert.equal((await alice.get(`/api/v1/block/${NOWHERE}/downloads`)).status, 404);
  for (const bad of ['ab', 'A'.repeat(64), '..%2f..%2fetc%2fpasswd', 'a'.repeat(63)]) {
    const answer = await alice.get(`/api/v1/block/${bad}`);
    assert.equal(answer.status, 400, bad);
    assert.match(String(answer.headers['content-type']), /json/);
  }
});

test('what is missing, which blocks a file has, and pages of all', async () => {
  const verify = await alice.post(
    '/api/v1/block/verify',
    JSON.stringify({
      blocks: [ID, NOWHERE].map((block_hash) => ({
        block_hash,
        file_hash: FILE_HASH,
        block_index: 0,
      })),
    }),
    JSON_TYPE,
  );
  assert.deepEqual(verify.json(), { missing: [NOWHERE] });
  assert.deepEqual((await alice.get(`/api/v1/blocks/${FILE_HASH}`)).json(), { blocks: [[ID, 3]] });
  assert.deepEqual((await alice.get(`/api/v1/blocks/${ID}`)).json(), { blocks: [[ID, 0]] });
  assert.equal((await alice.get(`/api/v1/blocks/${NOWHERE}`)).status, 404);
  const page = await alice.get('/api/v1/blocks?page=1&per_page=10&page_size=3');
  assert.deepEqual(page.json(), { blocks: [ID], total: 1, page: 1, per_page: 10 });
  assert.deepEqual((await alice.get('/api/v1/blocks?page=2')).json()['blocks'], []);
  for (const query of ['page=0', 'per_page=0', 'per_page=101', 'page=x', 'page=1&page=2']) {
    assert.equal((await alice.get(`/api/v1/blocks?${query}`)).status, 400, query);
  }
  const own = await alice.get('/api/v1/user/blocks');
  assert.deepEqual(own.json(), { blocks: [[ID, 1000]], total: 1, all_blocks: 1 });
  assert.equal((await nobody.get('/api/v1/user/blocks')).status, 401);
});

test('a file is cut into pieces and comes back whole, under a name', async () => {
  const bytes = randomBytes(2_500_000);
  const hash = createHash('sha256').update(bytes).digest('hex');
  assert.equal((await nobody.post('/api/v1/file', bytes, BYTES)).status, 401);
  const stored = await alice.post('/api/v1/file', bytes, BYTES);
  assert.deepEqual([stored.status, stored.json()['file_hash']], [201, hash]);
  const plain = await alice.get(`/api/v1/file/${hash}`);
  assert(bytes.equals(plain.body));
  assert.match(
    String(plain.headers['content-disposition']),
    new RegExp(`^attachment.*${hash}\\.bin$`),
  );
  const named = await alice.send(
    'GET',
    `/api/v1/file/${hash}`,
    JSON.stringify({ file_name: 'a "b"\r\nx: y.bin' }),
    JSON_TYPE,
  );
  assert.equal(
    named.headers['content-disposition'],
    "attachment; filename*=UTF-8''a%20%22b%22%0D%0Ax%3A%20y.bin",
  );
  assert.equal(named.headers['x'], undefined);
  const { blocks } = (await alice.get(`/api/v1/blocks/${hash}`)).json<{
    blocks: [string, number][];
  }>();
  assert.deepEqual(
    blocks,
    [0, 1, 2].map((i) => [
      toHex(blake2b(bytes.subarray(i * 1024 * 1024, (i + 1) * 1024 * 1024), 32)),
      i,
    ]),
  );
  assert.equal((await alice.get(`/api/v1/file/${NOWHERE}`)).status, 404);
  assert.equal((await alice.get('/api/v1/file/xyz')).status, 400);
});

test('a flist that is a file is a website, and nothing else is', async () => {
  const archive = gzipSync(
    Buffer.concat([
      tarFile({ name: 'index.html' }, '<h1>Hello</h1>'),
      tarFile({ name: 'css/site.css' }, 'h1 {}'),
      tarFile({ name: 'home', type: '2', link: 'index.html' }),
      tarFile({ name: 'out', type: '2', link: '../../etc/passwd' }),
      TAR_END,
    ]),
  );
  await alice.upload('/api/flist/me/upload', 'site.tar.gz', archive);
  const { body } = await alice.get('/alice/site.flist');
  const stored = await alice.post('/api/v1/file', body, BYTES);
  const root = `/website/${stored.json()['file_hash']}`;
  for (const path of ['', '/', '/index.html', '/home', '/css/../home']) {
    const answer = await alice.get(root + path);
    assert.equal(answer.text, '<h1>Hello</h1>', path);
    assert.match(String(answer.headers['content-security-policy']), /^sandbox/);
  }
  assert.match(String((await alice.get(root)).headers['content-type']), /^text\/html/);
  const css = await alice.get(`${root}/css/site.css`);
  assert.deepEqual([css.text, css.headers['content-type']], ['h1 {}', 'text/css']);
  for (const path of ['/none', '/css', '/out', '/..%2f..%2fetc%2fpasswd']) {
    assert.equal((await alice.get(root + path)).status, 404, path);
  }
  assert.equal((await alice.get(`/website/${NOWHERE}`)).status, 404);
  const other = await alice.post('/api/v1/file', 'no flist', BYTES);
  assert.equal((await alice.get(`/website/${other.json()['file_hash']}`)).status, 422);
});

test('flists are listed by repository and can be looked into', async () => {
  const all = (await nobody.get('/api/v1/fl')).json<
    Record<string, { name: string; path_uri: string; size: number }[]>
  >();
  const [site] = all['alice'] ?? [];
  assert.deepEqual([site?.name, site?.path_uri], ['site.flist', 'flists/alice/site.flist']);
  const { body } = await nobody.get('/alice/site.flist');
  const path = encodeURIComponent(site?.path_uri ?? '');
  assert.deepEqual((await nobody.get(`/api/v1/fl/preview/${path}`)).json(), {
    content: ['/index.html', '/home', '/out', '/css', '/css/site.css'],
    metadata: hub.url,
    checksum: createHash('sha256').update(body).digest('hex'),
  });
  for (const [bad, status] of [
    ['..%2fetc%2fpasswd', 400],
    ['alice%2fnone', 404],
    ['alice', 400],
  ] as const) {
    assert.equal((await nobody.get(`/api/v1/fl/preview/${bad}`)).status, status, bad);
  }
});

test('a conversion that fails says so once, to who has asked for it', async () => {
  const ask = (client: OldClient, body: object) =>
    client.post('/api/v1/fl', JSON.stringify(body), JSON_TYPE);
  // The hub itself: there is no registry in it.
  const image_name = `${new URL(hub.url).host}/none/app:1`;
  assert.equal((await ask(nobody, { image_name })).status, 401);
  assert.equal((await ask(alice, {})).status, 400);
  assert.equal((await ask(alice, { image_name, registry_token: 'x' })).status, 400);
  const started = await ask(alice, { image_name, username: 'u', password: 'p' });
  assert.equal(started.status, 201, started.text);
  const id = started.json()['id'];
  const bob = nobody.with({ authorization: `Bearer ${await hub.user('bob')}` });
  assert.equal((await bob.get(`/api/v1/fl/${id}`)).status, 404);
  let answer = await alice.get(`/api/v1/fl/${id}`);
  for (let i = 0; answer.status === 200 && i < 200; i++) {
    assert('flist_state' in answer.json());
    await new Promise((resolve) => setTimeout(resolve, 100));
    answer = await alice.get(`/api/v1/fl/${id}`);
  }
  assert.equal(answer.status, 500);
  assert.equal((await alice.get(`/api/v1/fl/${id}`)).status, 404);
  const name = image_name.replaceAll(/[:/]/g, '-');
  await hub.json('PUT', `/api/v1/flists/alice/${name}`, {
    token: hub.admin,
    body: (await nobody.get('/alice/site.flist')).body,
  });
  assert.equal((await ask(alice, { image_name })).status, 409);
});
