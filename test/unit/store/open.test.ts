import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import { openRoutedStore, openStore } from '../../../src/store/open.ts';
import { parseRouter } from '../../../src/store/router-config.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const CHUNK = chunkOf('chunk');
const FOREIGN = parseRouter(
  'pools: {p: {0:f: "zdb://secret@127.0.0.1:1"}}\nlookup: [p]',
  'foreign',
);

const isError = (code: ErrorCode, reason: RegExp) => (error: unknown) =>
  isG8Error(error, code) && reason.test(error.message) && !error.message.includes('secret');

test('openStore() takes a path, dir:// and file://', async (t) => {
  const root = temporaryDirectory(t);
  await openStore(`${root}/a b`).put(CHUNK.id, CHUNK.bytes);
  for (const url of [`${root}/a b`, `dir://${root}/a%20b`, `file://${root}/a%20b/`]) {
    assert.deepEqual(await openStore(url).missing([CHUNK.id]), [], url);
  }
});

test('openStore() names HTTP stores without credentials', async () => {
  const store = openStore('https://user:secret@hub.example/base/?token=secret');
  assert.equal(store.name, 'https://hub.example/base');
  await store.close();
});

const REFUSED: readonly [url: string, reason: RegExp][] = [
  ['', /empty/],
  ['dir://relative/path', /absolute/],
  ['file://host', /absolute/],
  ['dir:///a%zz', /percent/],
  ['dir:///a%00b', /absolute/],
  ['zdb://secret@host:9900?x=1', /unknown parameter/],
  ['ftp://user:secret@host/', /unknown scheme/],
  ['http://', /Not an http/],
];
for (const [url, reason] of REFUSED) {
  test(`openStore() refuses ${JSON.stringify(url)}`, () => {
    assert.throws(() => openStore(url), isError('ERR_CONFIG', reason));
  });
}

test('openRoutedStore() serves a foreign flist from the stores that are given', async (t) => {
  const root = temporaryDirectory(t);
  await openStore(root).put(CHUNK.id, CHUNK.bytes);
  const store = openRoutedStore({ urls: [root], routers: [FOREIGN] });
  assert.deepEqual(Buffer.from(await store.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
});

test('openRoutedStore() says which store could not be reached', async (t) => {
  const retry = { attemptCount: 1, delayMsMin: 0, delayMsMax: 0, totalMs: 10_000 };
  const urls = [temporaryDirectory(t)];
  const store = openRoutedStore({ urls, routers: [FOREIGN], retry });
  await assert.rejects(
    store.get(CHUNK.id),
    isError('ERR_STORE_UNAVAILABLE', /zdb:\/\/127\.0\.0\.1:1 failed/),
  );
});

test('openRoutedStore() does not let a flist read directories', async (t) => {
  const root = temporaryDirectory(t);
  await openStore(root).put(CHUNK.id, CHUNK.bytes);
  const router = parseRouter(`pools: {p: {0:f: "dir://${root}"}}\nlookup: [p]`, 'hostile');
  const store = openRoutedStore({ urls: [], routers: [router] });
  await assert.rejects(store.get(CHUNK.id), isError('ERR_PERMISSION', /a flist may not name/));
});

test('openRoutedStore() does not let a flist choose where chunks are written', async (t) => {
  const root = temporaryDirectory(t);
  await openStore(`${root}/full`).put(CHUNK.id, CHUNK.bytes);
  const text = `pools: {p: {0:f: "dir://${root}/target"}}\nlookup: [p]\ncache: [p]`;
  const store = openRoutedStore({
    urls: [`${root}/full`],
    routers: [parseRouter(text, 'hostile')],
  });
  await store.get(CHUNK.id);
  await store.close();
  assert.equal(existsSync(join(root, 'target')), false);
});

for (const digest of [undefined, blake2b]) {
  const how = digest === undefined ? '' : ' with checks';
  test(`openRoutedStore() writes back to the local router's cache pools${how}`, async (t) => {
    const root = temporaryDirectory(t);
    await openStore(`${root}/full`).put(CHUNK.id, CHUNK.bytes);
    const text = `pools: {near: {0:f: "dir://${root}/near"}}\nlookup: [near]\ncache: [near]`;
    const store = openRoutedStore({
      urls: [`${root}/full`],
      localRouter: parseRouter(text, 'local'),
      ...(digest === undefined ? {} : { digest }),
    });
    await store.get(CHUNK.id);
    await store.close();
    assert.deepEqual(await openStore(`${root}/near`).missing([CHUNK.id]), []);
  });
}

test('openRoutedStore() asks the local router, then flists, then urls', async (t) => {
  const root = temporaryDirectory(t);
  const router = (name: string) =>
    parseRouter(`pools: {p: {0:f: "http://127.0.0.1:1/${name}"}}\nlookup: [p]`, name);
  const store = openRoutedStore({
    urls: [root],
    localRouter: router('local'),
    routers: [router('one'), router('two')],
  });
  assert.equal(
    store.name,
    `http://127.0.0.1:1/local, http://127.0.0.1:1/one, http://127.0.0.1:1/two, dir://${root}`,
  );
  await store.close();
});
