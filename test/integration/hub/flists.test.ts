/** The hub's flist routes over real HTTP. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { openCatalogue } from '../../../src/hub/catalogue/open.ts';
import { ENTRY } from '../../../src/hub/catalogue/records.ts';
import type { HubOptions } from '../../../src/hub/options.ts';
import { createHub } from '../../../src/hub/server.ts';
import { chunkPath } from '../../../src/store/chunk-id.ts';
import { fixturesDir } from '../../support/fixtures.ts';
import { flistOf, tarOf } from '../../support/flist-package.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const FLIST = flistOf('hello');
const MD5 = createHash('md5').update(FLIST).digest('hex');

async function startHub(t: TestContext, options: Partial<HubOptions> = {}) {
  const dataDir = options.dataDir ?? temporaryDirectory(t);
  const hub = await createHub({ logger: false, fsync: false, ...options, dataDir });
  t.after(() => hub.close());
  const put = (path: string, body: Uint8Array) =>
    fetch(`${hub.url}/api/v1/flists/${path}`, { method: 'PUT', body });
  const list = async () => {
    const { flists } = (await (await fetch(`${hub.url}/api/v1/flists`)).json()) as {
      flists: { repository: string; name: string; size: number }[];
    };
    return flists.map(({ repository, name }) => `${repository}/${name}`);
  };
  return { url: hub.url, dataDir, put, list, close: () => hub.close() };
}

/** Status of a request whose path is sent exactly as it is. */
async function rawStatus(url: string, method: string, path: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
    request.end(method === 'PUT' ? FLIST : undefined);
  });
}

test('PUT stores a flist and answers with its digests', async (t) => {
  const { put, url, list } = await startHub(t);
  const response = await put('alice.3bot/app', FLIST);
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), {
    repository: 'alice.3bot',
    name: 'app.flist',
    size: FLIST.length,
    md5: MD5,
    digest: toHex(blake2b(FLIST, 32)),
  });
  assert.deepEqual(await list(), ['alice.3bot/app.flist']);
  const body = await (await fetch(`${url}/alice.3bot/app.flist`)).arrayBuffer();
  assert(FLIST.equals(Buffer.from(body)));
});

test('a flist of many pieces comes back whole and in ranges', async (t) => {
  const { put, url } = await startHub(t);
  const large = tarOf(randomBytes(2_500_000));
  assert.equal((await put('bob/large', large)).status, 201);
  const get = async (range?: string) => {
    const headers = range === undefined ? {} : { range };
    const response = await fetch(`${url}/bob/large.flist`, { headers });
    return [response.status, Buffer.from(await response.arrayBuffer())] as const;
  };
  const [status, whole] = await get();
  assert.deepEqual([status, whole.equals(large)], [200, true]);
  const mebibyte = 1024 * 1024;
  for (const [start, end] of [
    [0, 1],
    [mebibyte - 1, mebibyte + 1],
    [mebibyte, 2 * mebibyte],
    [10, 2 * mebibyte + 10],
    [large.length - 5, large.length],
  ] as const) {
    const [code, part] = await get(`bytes=${start}-${end - 1}`);
    assert.deepEqual([code, part.equals(large.subarray(start, end))], [206, true]);
  }
});

test('a flist with a broken piece is cut short or refused, never sent wrong', async (t) => {
  const { put, url, dataDir } = await startHub(t);
  const large = tarOf(randomBytes(1_500_000));
  await put('bob/large', large);
  const broken = async (start: number) => {
    const piece = large.subarray(start, start + 1024 * 1024);
    const path = join(dataDir, 'chunks', chunkPath(toHex(blake2b(piece, 32))));
    await writeFile(path, Buffer.alloc(piece.length));
  };
  await broken(1024 * 1024);
  const response = await fetch(`${url}/bob/large.flist`);
  assert.equal(response.status, 200);
  await assert.rejects(response.arrayBuffer());
  await broken(0);
  assert.equal((await fetch(`${url}/bob/large.flist`)).status, 500);
});

test('PUT of an existing flist replaces it and answers 200', async (t) => {
  const { put, url } = await startHub(t);
  await put('bob/app.flist', FLIST);
  const other = flistOf('other');
  assert.equal((await put('bob/app', other)).status, 200);
  const body = Buffer.from(await (await fetch(`${url}/bob/app.flist`)).arrayBuffer());
  assert(body.equals(other));
});

const ACCEPTED: readonly [name: string, body: Buffer][] = [
  ['a gzip tar', FLIST],
  ['a plain tar', tarOf(Buffer.alloc(200_000, 'x'))],
  ['a gzip tar of many bytes', gzipSync(tarOf(Buffer.alloc(3_000_000, 'x')), { level: 0 })],
  ['a zstd frame', Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(20)])],
];
for (const [name, body] of ACCEPTED) {
  test(`PUT takes ${name}`, async (t) => {
    const { put } = await startHub(t);
    assert.equal((await put('bob/app', body)).status, 201);
  });
}

const REFUSED: readonly [name: string, body: Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['text', Buffer.from('#!/bin/sh\n')],
  ['zeros', Buffer.alloc(100_000)],
  ['gzip of no tar', gzipSync('text')],
  ['broken gzip', Buffer.concat([FLIST.subarray(0, 12), Buffer.alloc(100, 0xff)])],
  ['a tar header cut short', tarOf(Buffer.alloc(0)).subarray(0, 300)],
];
for (const [name, body] of REFUSED) {
  test(`PUT refuses ${name} with 422 and keeps nothing`, async (t) => {
    const { put, list, dataDir } = await startHub(t);
    const response = await put('bob/app', body);
    assert.equal(response.status, 422);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.deepEqual(await list(), []);
    assert.deepEqual((await readdir(dataDir)).sort(), ['admin-token', 'catalogue', 'tmp']);
  });
}

test('PUT refuses a flist above the limit, stated or not', async (t) => {
  const { put, url, list } = await startHub(t, { limits: { flistSizeMax: 1000 } });
  const large = tarOf(Buffer.alloc(10_000, 'x'));
  assert.equal((await put('bob/app', large)).status, 413);
  async function* pieces() {
    yield large;
  }
  const response = await fetch(`${url}/api/v1/flists/bob/app`, {
    method: 'PUT',
    body: ReadableStream.from(pieces()),
    duplex: 'half',
  } as RequestInit);
  assert.equal(response.status, 413);
  assert.deepEqual(await list(), []);
});

test('PUT that breaks off keeps nothing', async (t) => {
  const { url, dataDir, close } = await startHub(t);
  const { hostname, port } = new URL(url);
  await new Promise<void>((resolve) => {
    const request = httpRequest({
      hostname,
      port,
      method: 'PUT',
      path: '/api/v1/flists/bob/app',
      headers: { 'content-length': '100000' },
    });
    request.on('error', () => resolve());
    request.write(FLIST, () => request.destroy());
    request.on('close', () => resolve());
  });
  // Its end waits for what it has begun.
  await close();
  const again = await startHub(t, { dataDir });
  assert.deepEqual(await again.list(), []);
});

test('GET and HEAD serve a flist with its validators', async (t) => {
  const { put, url } = await startHub(t);
  await put('bob/app', FLIST);
  for (const method of ['GET', 'HEAD']) {
    const response = await fetch(`${url}/bob/app.flist`, { method });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/octet-stream');
    assert.equal(response.headers.get('content-length'), String(FLIST.length));
    assert.equal(response.headers.get('content-disposition'), 'inline; filename="app.flist"');
    assert.equal(response.headers.get('etag'), `"${MD5}"`);
    assert.equal(response.headers.get('cache-control'), 'no-cache');
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    assert(response.headers.has('last-modified'));
    const body = Buffer.from(await response.arrayBuffer());
    assert.equal(body.length, method === 'GET' ? FLIST.length : 0);
  }
});

test('GET answers 304 to its ETag and to its date', async (t) => {
  const { put, url } = await startHub(t);
  await put('bob/app', FLIST);
  const get = (headers: Record<string, string>) => fetch(`${url}/bob/app.flist`, { headers });
  const modified = (await get({})).headers.get('last-modified') as string;
  assert.equal((await get({ 'if-none-match': `"${MD5}"` })).status, 304);
  assert.equal((await get({ 'if-modified-since': modified })).status, 304);
  assert.equal(
    (await get({ 'if-none-match': '"other"', 'if-modified-since': modified })).status,
    200,
  );
});

test('GET gives a range only of the flist that If-Range names', async (t) => {
  const { put, url } = await startHub(t);
  await put('bob/app', FLIST);
  const get = (headers: Record<string, string>) => fetch(`${url}/bob/app.flist`, { headers });
  const range = 'bytes=10-19';
  assert.equal((await get({ range, 'if-range': `"${MD5}"` })).status, 206);
  assert.equal((await get({ range, 'if-range': '"other"' })).status, 200);
});

test('GET .md5 gives hex and a newline', async (t) => {
  const { put, url } = await startHub(t);
  await put('bob/app', FLIST);
  const response = await fetch(`${url}/bob/app.flist.md5`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
  assert.equal(await response.text(), `${MD5}\n`);
});

test('the ETag follows a flist that is replaced', async (t) => {
  const { put, url } = await startHub(t);
  await put('bob/app', FLIST);
  await fetch(`${url}/bob/app.flist`);
  const other = flistOf('other');
  await put('bob/app', other);
  const etag = (await fetch(`${url}/bob/app.flist`)).headers.get('etag');
  assert.equal(etag, `"${createHash('md5').update(other).digest('hex')}"`);
});

test('GET of what does not exist answers 404 as a problem', async (t) => {
  const { url } = await startHub(t);
  for (const path of ['/bob/app.flist', '/bob/app.flist.md5', '/bob/app']) {
    const response = await fetch(url + path);
    assert.equal(response.status, 404, path);
    assert.equal(response.headers.get('content-type'), 'application/problem+json', path);
  }
});

const BAD_NAMES = [
  'api/app',
  'ME/app',
  'chunks/app',
  '.hidden/app',
  'bob/.hidden',
  '-bob/app',
  'bob/a..b',
  'bob/%2e%2e',
  '%2e%2e/app',
  'bob/..%2f..%2fevil',
  'bob%2fx/app',
  'bob/a%00b',
  'bob/a%0ab',
  'bob/a%20b',
  'bob/%ff',
  `bob/${'x'.repeat(201)}`,
  'bob/app.flist.flist',
];
for (const name of BAD_NAMES) {
  test(`PUT refuses the name ${JSON.stringify(name.slice(0, 40))}`, async (t) => {
    const { url, list, dataDir } = await startHub(t);
    const status = await rawStatus(url, 'PUT', `/api/v1/flists/${name}`);
    assert(status === 400 || status === 404, String(status));
    assert.deepEqual(await list(), []);
    assert.deepEqual((await readdir(dataDir)).sort(), ['admin-token', 'catalogue', 'tmp']);
  });
}

test('no path leads out of the data directory', async (t) => {
  const { url, dataDir } = await startHub(t);
  await writeFile(join(dataDir, 'secret.flist'), FLIST);
  for (const path of [
    '/../secret.flist',
    '/bob/../secret.flist',
    '/..%2fsecret.flist',
    '/bob/..%2f..%2fsecret.flist',
    '/%2e%2e/secret.flist',
    '/./secret.flist',
    '/%2e/secret.flist',
    '//secret.flist',
    '/bob%5c..%5c../secret.flist',
    '/chunks/..%2f..%2f/secret.flist',
  ]) {
    const status = await rawStatus(url, 'GET', path);
    assert(status === 404 || status === 400, `${path}: ${status}`);
  }
});

test('DELETE removes a flist once', async (t) => {
  const { put, url, list } = await startHub(t);
  await put('bob/app', FLIST);
  const remove = () => fetch(`${url}/api/v1/flists/bob/app`, { method: 'DELETE' });
  assert.equal((await remove()).status, 204);
  assert.deepEqual(await list(), []);
  assert.equal((await fetch(`${url}/bob/app.flist`)).status, 404);
  assert.equal((await remove()).status, 404);
});

test('GET flists lists all, sorted, in pages', async (t) => {
  const dataDir = temporaryDirectory(t);
  const catalogue = await openCatalogue(`level:${dataDir}/catalogue`, { fsync: false });
  const flist = { digest: 'ab'.repeat(32), md5: MD5, size: FLIST.length };
  await catalogue.transaction(async (transaction) => {
    for (const repository of ['alice', 'bob']) {
      for (let i = 0; i < 600; i++) {
        const file = `${String(i).padStart(3, '0')}.flist`;
        transaction.put(ENTRY, [repository, file], { kind: 'flist', ...flist, updated: i });
      }
    }
  });
  await catalogue.close();
  const { url } = await startHub(t, { dataDir });
  type Page = { flists: { repository: string; name: string; size: number }[]; next?: string };
  const page = async (after: string) =>
    (await (await fetch(`${url}/api/v1/flists${after}`)).json()) as Page;
  const first = await page('');
  assert.equal(first.flists.length, 1000);
  assert.equal(first.next, 'bob/399.flist');
  assert.deepEqual([first.flists[0]?.name, first.flists[0]?.size], ['000.flist', FLIST.length]);
  const second = await page(`?after=${first.next}`);
  assert.equal(second.flists.length, 200);
  assert.equal(second.next, undefined);
  assert.equal(second.flists[0]?.name, '400.flist');
});

const fixtures = fixturesDir();
test('PUT takes every historical flist', {
  skip: fixtures === undefined ? 'fixtures are not here' : false,
}, async (t) => {
  const { put } = await startHub(t);
  for (const path of [
    'zflist/sample.flist',
    'rocksdb/sample-legacy.flist',
    'rocksdb/ubuntu1604-2017.flist',
  ]) {
    const body = await readFile(join(fixtures as string, path));
    assert.equal((await put('old/app', body)).ok, true, path);
  }
});

const PROFILE = `g8ufs profile 1\nroot ${'ab'.repeat(32)}\n${'01'.repeat(16)} 0+3 /bin/sh\n`;
const SIGNATURE = [
  'g8ufs signature 1',
  `key ${'ab'.repeat(8)}`,
  `root ${'ab'.repeat(32)}`,
  `metadata ${'ab'.repeat(32)}`,
  `ed25519 ${'A'.repeat(86)}==`,
  '',
].join('\n');

for (const [word, suffix, text] of [
  ['signature', 'sig', SIGNATURE],
  ['profile', 'profile', PROFILE],
] as const) {
  test(`PUT of a ${word} puts it beside its flist, and it goes with it`, async (t) => {
    const { put, url } = await startHub(t);
    await put('bob/app.flist', FLIST);
    const place = `${url}/bob/app.flist.${suffix}`;
    assert.equal((await fetch(place)).status, 404);
    assert.equal((await put(`bob/app/${word}`, Buffer.from(text))).status, 204);
    const answer = await fetch(place);
    assert.deepEqual([answer.status, await answer.text()], [200, text]);
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    // The same flist again is no other one.
    assert.equal((await put('bob/app.flist', FLIST)).status, 200);
    assert.equal((await fetch(place)).status, 200);
    // A signature is of one flist alone; whether a profile still fits, the reader finds out.
    assert.equal((await put('bob/app.flist', flistOf('other'))).status, 200);
    assert.equal((await fetch(place)).status, word === 'signature' ? 404 : 200);
    await fetch(`${url}/api/v1/flists/bob/app.flist`, { method: 'DELETE' });
    assert.equal((await fetch(place)).status, 404);
    await put('bob/app.flist', FLIST);
    assert.equal((await fetch(place)).status, 404);
  });

  test(`PUT of a ${word} refuses what is none, too large, or of no flist`, async (t) => {
    const { put, url } = await startHub(t);
    assert.equal((await put(`bob/app/${word}`, Buffer.from(text))).status, 404);
    await put('bob/app.flist', FLIST);
    const broken = Buffer.from(text.replace('g8ufs', 'other'));
    assert.equal((await put(`bob/app/${word}`, broken)).status, 422);
    assert.equal((await put(`bob/app/${word}`, Buffer.alloc(5 * 1024 * 1024))).status, 413);
    assert.equal((await put(`.bob/app/${word}`, Buffer.from(text))).status, 400);
    assert.equal((await fetch(`${url}/bob/app.flist.${suffix}`)).status, 404);
  });
}
