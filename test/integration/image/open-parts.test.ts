/** Looking at paths of a flist whose package has parts: of a file, and of a server that counts. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { isG8Error } from '../../../src/base/errors.ts';
import { type Image, openImage } from '../../../src/image/open.ts';
import { packTree } from '../../../src/image/pack.ts';
import { addon } from '../../../src/native/load.ts';
import { directory, file, latin1, symlink } from '../../support/index-trees.ts';

/** Some parts of incompressible digests. */
const FILES = 12_000;
const WANTED = '/d7/f150';

let dir: string;
let packed: Buffer;
let sent = 0;
let etag = '"1"';
let withRanges = true;
const server = createServer((request, response) => {
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  const isCurrent = (request.headers['if-range'] ?? etag) === etag;
  const { length } = packed;
  const [first = '', last = ''] = range?.slice(1) ?? [];
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1);
  const isRange = range !== null && withRanges && isCurrent;
  const body = isRange ? packed.subarray(start, end) : packed;
  sent += body.length;
  response.writeHead(isRange ? 206 : 200, {
    etag,
    ...(isRange && { 'content-range': `bytes ${start}-${end - 1}/${length}` }),
  });
  response.end(body);
});

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'g8ufs-test-'));
  const folders = Array.from({ length: 10 }, (_, d) => [
    `d${d}`,
    directory(
      Object.fromEntries(
        Array.from({ length: FILES / 10 }, (_unused, f) => [`f${f}`, file(`${d}/${f}`, 1 + f)]),
      ),
    ),
  ]);
  const root = directory({ ...Object.fromEntries(folders), link: symlink('d1') });
  const path = join(dir, 'a.flist');
  await packTree(root, path, { router: 'pools: {}\nlookup: []\n' });
  packed = await readFile(path);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

function url(): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.flist`;
}

function open(source: string, scope: 'paths' | 'all'): Promise<Image> {
  return openImage(source, { codec: addon(), tmpDir: dir, scope });
}

/** What a look at a path sees. */
function look(image: Image, path: string): Promise<object> {
  return image.load(() => {
    const nid = image.index.resolvePath(latin1(path));
    if (nid === undefined) return {};
    const inode = image.index.inode(nid);
    const content = image.contents.contentOf(inode.ino);
    const names = inode.type === 'directory' ? [...image.index.readdir(nid)] : [];
    return { inode, names, content: content !== undefined && image.contents.toContent(content) };
  });
}

async function withoutFolders<T>(work: () => Promise<T>): Promise<T> {
  const result = await work();
  const left = (await readdir(dir)).filter((name) => name.startsWith('g8ufs-'));
  assert.deepEqual(left, [], 'temporary folders are left');
  return result;
}

async function looksOf(source: string, scope: 'paths' | 'all'): Promise<object[]> {
  return withoutFolders(async () => {
    const image = await open(source, scope);
    try {
      const looks = [];
      for (const path of ['/', WANTED, '/d3', '/link', '/none'])
        looks.push(await look(image, path));
      return [...looks, { router: image.router, digest: await image.rootDigest() }];
    } finally {
      await image.close();
    }
  });
}

test('a look at paths sees what a look at all sees', async () => {
  const whole = await looksOf(join(dir, 'a.flist'), 'all');
  assert.deepEqual(await looksOf(join(dir, 'a.flist'), 'paths'), whole);
  assert.deepEqual(await looksOf(url(), 'paths'), whole);
});

test('of a URL only the parts on the way are fetched', async () => {
  await withoutFolders(async () => {
    sent = 0;
    const image = await open(url(), 'paths');
    await look(image, WANTED);
    await image.close();
    assert.ok(sent < packed.length / 2, `${sent} of ${packed.length} bytes`);
  });
});

test('a server without ranges, and a package without parts, are read as ever', async () => {
  const whole = await looksOf(url(), 'all');
  withRanges = false;
  assert.deepEqual(await looksOf(url(), 'paths'), whole);
  withRanges = true;
  const plain = join(dir, 'plain.flist');
  await writeFile(plain, gzipSync(gunzipSync(packed)));
  assert.deepEqual(await looksOf(plain, 'paths'), whole);
});

test('a flist that changes on the way is an error', async () => {
  await withoutFolders(async () => {
    const image = await open(url(), 'paths');
    etag = '"2"';
    await assert.rejects(look(image, WANTED), (error) => isG8Error(error, 'ERR_PROTOCOL'));
    etag = '"1"';
    await image.close();
  });
});
