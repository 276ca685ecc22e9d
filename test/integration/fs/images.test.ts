/** The images of a node: local flists with the real addon, remote ones with a hub in the test's hand. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type ErrorCode, G8Error, isG8Error } from '../../../src/base/errors.ts';
import { fetchFlist } from '../../../src/fs/fetch-flist.ts';
import { type FetchFlist, ImageStore } from '../../../src/fs/images.ts';
import { packTree } from '../../../src/image/pack.ts';
import { formatRouter } from '../../../src/image/router.ts';
import { gate } from '../../support/gate.ts';
import { startServer } from '../../support/http-server.ts';
import { directory, file } from '../../support/index-trees.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const { signal } = new AbortController();
const URL_A = 'http://hub.example/alice/a.flist';
const fails = (code: ErrorCode) => (error: unknown) => isG8Error(error, code);
const unused: FetchFlist = () => Promise.reject(new Error('No server expected'));

interface World {
  readonly dir: string;
  readonly flists: string;
  readonly tmp: string;
  store(fetch?: FetchFlist): ImageStore;
  /** Writes the flist of a tree with one file of that name. */
  flist(name: string, content?: string): Promise<string>;
  /** Names of the unpacked images. */
  images(): string[];
}

function world(t: TestContext): World {
  const dir = temporaryDirectory(t);
  const flists = join(dir, 'flists');
  const tmp = join(dir, 'tmp');
  mkdirSync(tmp);
  return {
    dir,
    flists,
    tmp,
    store: (fetch = unused) => new ImageStore({ dir: flists, tmp, fetchFlist: fetch }),
    flist: async (name, content = name) => {
      const path = join(dir, `${name}.flist`);
      await packTree(directory({ [content]: file(content, 5) }), path, {
        router: formatRouter('http://hub'),
      });
      return path;
    },
    images: () => readdirSync(flists).filter((entry) => entry !== 'sources'),
  };
}

/** A server with one flist: 304 for its tag, and `away` when it is set. */
class Hub {
  path: string;
  etag: string;
  away: G8Error | undefined;
  readonly asked: (string | undefined)[] = [];

  constructor(path: string, etag: string) {
    this.path = path;
    this.etag = etag;
  }

  readonly fetch: FetchFlist = async (_url, { etag, path }) => {
    this.asked.push(etag);
    if (this.away !== undefined) throw this.away;
    if (etag === this.etag) return undefined;
    await copyFile(this.path, path);
    return { etag: this.etag };
  };
}

test('ImageStore.open() unpacks a local flist with its router', async (t) => {
  const w = world(t);
  const image = await w.store().open(await w.flist('a'), signal);
  assert.deepEqual(w.images(), [image.digest]);
  assert.equal(image.dir, join(w.flists, image.digest));
  assert.deepEqual(readdirSync(image.dir).sort(), [
    'mount.chunks',
    'mount.contents',
    'mount.erofs',
    'router.yaml',
  ]);
  assert.match(image.router ?? '', /http:\/\/hub/);
  assert.deepEqual(readdirSync(w.tmp), []);
});

test('ImageStore.open() reads an unchanged flist no more, also after a restart', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const first = await w.store().open(path, signal);
  const erofs = join(first.dir, 'mount.erofs');
  const { ino } = statSync(erofs);
  // Same size and times, other bytes: whoever reads the file again finds no flist.
  const record = join(w.flists, 'sources', readdirSync(join(w.flists, 'sources'))[0] as string);
  const known = JSON.parse(readFileSync(record, 'utf8'));
  writeFileSync(path, new Uint8Array(statSync(path).size));
  const s = statSync(path, { bigint: true });
  const fingerprint = [s.dev, s.ino, s.size, s.mtimeNs, s.ctimeNs].join(':');
  writeFileSync(record, JSON.stringify({ ...known, fingerprint }));
  const again = await w.store().open(path, signal);
  assert.deepEqual(again, first);
  assert.equal(statSync(erofs).ino, ino);
});

test('ImageStore.open() notices a flist that was replaced', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const images = w.store();
  const first = await images.open(path, signal);
  await w.flist('a', 'other');
  const second = await images.open(path, signal);
  assert.notEqual(second.digest, first.digest);
  assert.deepEqual(w.images().sort(), [first.digest, second.digest].sort());
});

test('ImageStore.open() does not unpack again what only has a new time', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const images = w.store();
  const first = await images.open(path, signal);
  const { ino } = statSync(first.dir);
  utimesSync(path, 1, 1);
  assert.deepEqual(await images.open(path, signal), first);
  assert.equal(statSync(first.dir).ino, ino);
});

test('ImageStore.open() unpacks again when the index has lost a file', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const images = w.store();
  const { dir } = await images.open(path, signal);
  rmSync(join(dir, 'mount.chunks'), { force: true });
  await images.open(path, signal);
  assert.ok(statSync(join(dir, 'mount.chunks')).size > 0);
  assert.deepEqual(readdirSync(w.tmp), []);
});

test('ImageStore.open() looks at the flist again when its record is cut short', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const first = await w.store().open(path, signal);
  const sources = join(w.flists, 'sources');
  for (const name of readdirSync(sources)) writeFileSync(join(sources, name), '{"source":"/');
  assert.deepEqual(await w.store().open(path, signal), first);
});

test('ImageStore.open() unpacks one image for two calls at once', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const hub = new Hub(path, '"1"');
  const images = w.store(hub.fetch);
  const [a, b] = await Promise.all([images.open(URL_A, signal), images.open(URL_A, signal)]);
  assert.equal(a, b);
  assert.equal(hub.asked.length, 1);
});

test('ImageStore.open() takes the same image from two sources at once', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const copy = join(w.dir, 'copy.flist');
  await copyFile(path, copy);
  const images = w.store();
  const [a, b] = await Promise.all([images.open(path, signal), images.open(copy, signal)]);
  assert.deepEqual(a, b);
  assert.deepEqual(w.images(), [a.digest]);
  assert.deepEqual(readdirSync(w.tmp), []);
});

for (const [name, bytes] of [
  ['garbage', Buffer.from('no flist at all')],
  ['nothing', Buffer.alloc(0)],
] as const) {
  test(`ImageStore.open() leaves nothing behind for a flist of ${name}`, async (t) => {
    const w = world(t);
    const path = join(w.dir, 'broken.flist');
    writeFileSync(path, bytes);
    await assert.rejects(w.store().open(path, signal), fails('ERR_FLIST_FORMAT'));
    assert.deepEqual([w.images(), readdirSync(w.tmp)], [[], []]);
    assert.deepEqual(readdirSync(join(w.flists, 'sources')), []);
  });
}

test('ImageStore.open() leaves nothing behind for a flist that is cut short', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  writeFileSync(path, readFileSync(path).subarray(0, -100));
  await assert.rejects(w.store().open(path, signal), fails('ERR_FLIST_FORMAT'));
  assert.deepEqual([w.images(), readdirSync(w.tmp)], [[], []]);
});

test('ImageStore.open() can be tried again after a failure', async (t) => {
  const w = world(t);
  const images = w.store();
  const path = join(w.dir, 'a.flist');
  await assert.rejects(images.open(path, signal), fails('ERR_NO_INPUT'));
  await w.flist('a');
  assert.equal((await images.open(path, signal)).digest.length, 64);
});

test('ImageStore.open() refuses a folder', async (t) => {
  const w = world(t);
  await assert.rejects(w.store().open(w.dir, signal), fails('ERR_NO_INPUT'));
});

test('ImageStore.open() leaves nothing behind when it is aborted', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  await assert.rejects(w.store().open(path, AbortSignal.abort()), fails('ERR_ABORTED'));
  assert.deepEqual([w.images(), readdirSync(w.tmp)], [[], []]);
});

test('ImageStore.open() keeps nothing of a flist that is written to while it is read', async (t) => {
  const w = world(t);
  const path = await w.flist('a');
  const images = w.store();
  const watcher = watch(w.tmp);
  t.after(() => watcher.close());
  const opening = images.open(path, signal);
  // The folder it is unpacked into: its digest is known by then.
  const changed = once(watcher, 'change').then(() => utimesSync(path, 1, 1));
  await assert.rejects(opening, fails('ERR_IO'));
  await changed;
  assert.deepEqual([w.images(), readdirSync(w.tmp)], [[], []]);
});

test('ImageStore.open() asks a server with the tag it gave and keeps the image it has', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), '"1"');
  const first = await w.store(hub.fetch).open(URL_A, signal);
  const again = await w.store(hub.fetch).open(URL_A, signal);
  assert.deepEqual(again, first);
  assert.deepEqual(hub.asked, [undefined, '"1"']);
  assert.deepEqual(readdirSync(w.tmp), []);
});

test('ImageStore.expect() looks an image up for the next open() alone', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), 'v1');
  const images = w.store(hub.fetch);
  await images.expect(URL_A, signal);
  const first = await images.open(URL_A, signal);
  assert.deepEqual(hub.asked, [undefined]);
  assert.deepEqual(await images.open(URL_A, signal), first);
  assert.deepEqual(hub.asked, [undefined, 'v1']);
});

test('ImageStore.expect() fails where the image is opened, once', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), 'v1');
  const images = w.store(hub.fetch);
  hub.away = new G8Error('ERR_NO_INPUT', 'no such flist');
  await images.expect(URL_A, signal);
  await assert.rejects(images.open(URL_A, signal), fails('ERR_NO_INPUT'));
  hub.away = undefined;
  assert.match((await images.open(URL_A, signal)).digest, /^[0-9a-f]{64}$/);
});

test('ImageStore.expect() is forgotten when nobody opens the image soon', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), 'v1');
  const images = w.store(hub.fetch);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  await images.expect(URL_A, signal);
  hub.path = await w.flist('b');
  hub.etag = 'v2';
  t.mock.timers.tick(2_000);
  await images.open(URL_A, signal);
  assert.deepEqual([hub.asked, w.images().length], [[undefined, 'v1'], 2]);
});

test('ImageStore.open() takes the new version that a server has', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), '"1"');
  const images = w.store(hub.fetch);
  const first = await images.open(URL_A, signal);
  hub.path = await w.flist('b');
  hub.etag = '"2"';
  const second = await images.open(URL_A, signal);
  await images.open(URL_A, signal);
  assert.notEqual(second.digest, first.digest);
  assert.deepEqual(hub.asked, [undefined, '"1"', '"2"']);
});

test('ImageStore.open() sends no tag to a server that gave none', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), '');
  const images = w.store(hub.fetch);
  await images.open(URL_A, signal);
  await images.open(URL_A, signal);
  assert.deepEqual(hub.asked, [undefined, undefined]);
});

test('ImageStore.open() sends no tag when the image itself is gone', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), '"1"');
  const images = w.store(hub.fetch);
  const first = await images.open(URL_A, signal);
  rmSync(first.dir, { recursive: true });
  assert.deepEqual(await images.open(URL_A, signal), first);
  assert.deepEqual(hub.asked, [undefined, undefined]);
});

test('ImageStore.open() uses the image it has while the server is away', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), '"1"');
  const images = w.store(hub.fetch);
  const first = await images.open(URL_A, signal);
  hub.away = new G8Error('ERR_STORE_UNAVAILABLE', 'Away');
  assert.deepEqual(await images.open(URL_A, signal), first);
});

test('ImageStore.open() does not hide that the server refuses', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), '"1"');
  const images = w.store(hub.fetch);
  await images.open(URL_A, signal);
  hub.away = new G8Error('ERR_PERMISSION', 'Not yours any more');
  await assert.rejects(images.open(URL_A, signal), fails('ERR_PERMISSION'));
});

test('ImageStore.open() fails when the server of an unknown image is away', async (t) => {
  const w = world(t);
  const away = new G8Error('ERR_STORE_UNAVAILABLE', 'Away');
  await assert.rejects(
    w.store(() => Promise.reject(away)).open(URL_A, signal),
    (error) => error === away,
  );
  assert.deepEqual([w.images(), readdirSync(w.tmp)], [[], []]);
});

test('ImageStore.open() leaves nothing of a broken flist from a server', async (t) => {
  const w = world(t);
  const path = join(w.dir, 'broken.flist');
  writeFileSync(path, 'no flist');
  const hub = new Hub(path, '"1"');
  await assert.rejects(w.store(hub.fetch).open(URL_A, signal), fails('ERR_FLIST_FORMAT'));
  assert.deepEqual([w.images(), readdirSync(w.tmp)], [[], []]);
});

test('fetchFlist() downloads once and then asks with the tag', async (t) => {
  const w = world(t);
  const bytes = readFileSync(await w.flist('a'));
  const tags: unknown[] = [];
  const server = await startServer(t, (request, response) => {
    tags.push(request.headers['if-none-match']);
    if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end();
    else response.writeHead(200, { etag: '"v1"' }).end(bytes);
  });
  const images = w.store(fetchFlist);
  const url = `${server.url}/alice/a.flist`;
  const first = await images.open(url, signal);
  assert.deepEqual(await images.open(url, signal), first);
  assert.deepEqual(tags, [undefined, '"v1"']);
});

/** Three images, the first used longest ago. */
async function threeImages(w: World, images: ImageStore): Promise<string[]> {
  const digests: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    const { digest, dir } = await images.open(await w.flist(name), signal);
    digests.push(digest);
    utimesSync(dir, 1000 + digests.length, 1000 + digests.length);
  }
  return digests;
}

function sizeOf(w: World, digest: string): number {
  const dir = join(w.flists, digest);
  return readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

test('ImageStore.collect() removes the least recently used until the rest fits', async (t) => {
  const w = world(t);
  const images = w.store();
  const [a, b, c] = (await threeImages(w, images)) as [string, string, string];
  const freed = await images.collect(new Set(), sizeOf(w, b) + sizeOf(w, c), 0);
  assert.deepEqual(w.images().sort(), [b, c].sort());
  assert.equal(freed > 0, true);
  assert.equal(w.images().includes(a), false);
});

test('ImageStore.collect() keeps what is mounted, whatever its age', async (t) => {
  const w = world(t);
  const images = w.store();
  const [a] = (await threeImages(w, images)) as [string];
  await images.collect(new Set([a]), 0, 0);
  assert.deepEqual(w.images(), [a]);
});

test('ImageStore.open() makes an image the most recently used', async (t) => {
  const w = world(t);
  const images = w.store();
  const [a] = (await threeImages(w, images)) as [string];
  await images.open(join(w.dir, 'a.flist'), signal);
  await images.collect(new Set(), sizeOf(w, a), 0);
  assert.deepEqual(w.images(), [a]);
});

test('ImageStore.collect() keeps what was opened a moment ago', async (t) => {
  const w = world(t);
  const images = w.store();
  await threeImages(w, images);
  await images.open(join(w.dir, 'a.flist'), signal);
  await images.collect(new Set(), 0);
  assert.equal(w.images().length, 1);
});

test('ImageStore.collect() forgets the sources of images that are gone', async (t) => {
  const w = world(t);
  const images = w.store();
  await threeImages(w, images);
  await images.collect(new Set(), 0, 0);
  assert.deepEqual(readdirSync(join(w.flists, 'sources')), []);
});

test('ImageStore.collect() frees nothing when there is nothing', async (t) => {
  assert.equal(await world(t).store().collect(new Set()), 0);
});

test('ImageStore.open() shares one download with a call that comes while it runs', async (t) => {
  const w = world(t);
  const hub = new Hub(await w.flist('a'), '"1"');
  const started = gate();
  const goOn = gate();
  const images = w.store(async (url, options) => {
    started.open();
    await goOn.opened;
    return hub.fetch(url, options);
  });
  const first = images.open(URL_A, signal);
  await started.opened;
  const second = images.open(URL_A, signal);
  goOn.open();
  assert.equal(await first, await second);
  assert.equal(hub.asked.length, 1);
});
