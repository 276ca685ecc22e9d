import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { type CreateOptions, createFlist } from '../../../src/image/create.ts';
import { createProgress } from '../../../src/image/create-progress.ts';
import { openImage } from '../../../src/image/open.ts';
import { readContent } from '../../../src/image/read.ts';
import { resolvePath } from '../../../src/image/resolve.ts';
import { FolderSource } from '../../../src/image/source/folder.ts';
import { summarize } from '../../../src/image/summary.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { fakeAddon } from '../../support/fake-addon.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const BLOCK_SIZE = 4096;

function prepare(context: TestContext) {
  const folder = temporaryDirectory(context);
  const source = join(folder, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'small'), 'hello');
  linkSync(join(source, 'small'), join(source, 'sub/linked'));
  writeFileSync(join(source, 'sub/copy'), 'hello');
  writeFileSync(
    join(source, 'large'),
    new Uint8Array(3 * BLOCK_SIZE).map((_, i) => i % 251),
  );
  truncateSync(join(source, 'large'), 5 * BLOCK_SIZE);
  const store = new MemoryStore();
  const addon = fakeAddon();
  const options: CreateOptions = {
    source,
    output: join(folder, 'out.flist'),
    store,
    addon,
    blockSize: BLOCK_SIZE,
  };
  return { folder, source, store, addon, options };
}

test('createFlist() counts what it made', async (t) => {
  const { options, store } = prepare(t);
  const { rootDigest, flistSize, seconds, ...counts } = await createFlist(options);
  assert.deepEqual(counts, {
    entries: 6,
    directories: 2,
    files: 3,
    symlinks: 0,
    specials: 0,
    bytes: 10 + 5 * BLOCK_SIZE,
    contents: 2,
    reusedFiles: 0,
    chunks: 4,
    newChunks: 4,
    storedBytes: 5 + 3 * BLOCK_SIZE,
    uploadedBytes: 5 + 3 * BLOCK_SIZE,
    holes: 2,
    holeBytes: 2 * BLOCK_SIZE,
  });
  assert.match(rootDigest, /^[0-9a-f]{64}$/);
  assert.equal(flistSize, readFileSync(options.output).length);
  assert.ok(seconds >= 0);
  let listed = 0;
  for await (const _ of store.list()) listed++;
  assert.equal(listed, 4);
});

test('createFlist() makes the same bytes twice and uploads nothing the second time', async (t) => {
  const { options, folder } = prepare(t);
  await createFlist(options);
  const again = await createFlist({ ...options, output: join(folder, 'again.flist') });
  assert.equal(again.newChunks, 0);
  assert.deepEqual(readFileSync(join(folder, 'again.flist')), readFileSync(options.output));
});

test('createFlist() makes an image from which the files can be read', async (t) => {
  const { options, addon, store, source } = prepare(t);
  await createFlist({ ...options, route: 'http://hub:1' });
  const image = await openImage(options.output, { codec: addon });
  t.after(() => image.close());
  assert.match(image.router ?? '', /http:\/\/hub:1/);
  assert.equal(image.built, false);
  for (const path of ['small', 'sub/linked', 'large']) {
    const found = resolvePath(image.index, Buffer.from(path), { followLast: true });
    const { ino } = image.index.inode(found?.nid ?? 0);
    const content = image.contents.toContent(image.contents.contentOf(ino) ?? -1);
    const pieces: Uint8Array[] = [];
    for await (const piece of readContent(content, { store, codec: addon })) pieces.push(piece);
    assert.deepEqual(Buffer.concat(pieces), readFileSync(join(source, path)));
  }
});

test('createFlist() makes an image whose summary agrees', async (t) => {
  const { options, addon } = prepare(t);
  const made = await createFlist(options);
  const image = await openImage(options.output, { codec: addon });
  t.after(() => image.close());
  const { contentBytes, lostChunks, hardLinks, ...summary } = await summarize(image);
  for (const [name, value] of Object.entries(summary)) {
    assert.equal(value, made[name as keyof typeof made], name);
  }
  assert.deepEqual([contentBytes, lostChunks, hardLinks], [5 + 5 * BLOCK_SIZE, 0, 1]);
});

test('createFlist() leaves out its own output and an excluded store below the source', async (t) => {
  const { options, source } = prepare(t);
  mkdirSync(join(source, 'store'));
  writeFileSync(join(source, 'inside.flist'), 'an older one');
  const output = join(source, 'inside.flist');
  const excludedPaths = [output, join(source, 'store')];
  const folder = new FolderSource({ path: source, excludedPaths });
  const { entries } = await createFlist({ ...options, output, source: folder });
  assert.equal(entries, 6);
});

test('createFlist() leaves no file behind when the store fails', async (t) => {
  const { options, folder, store } = prepare(t);
  store.put = () => Promise.reject(new G8Error('ERR_STORE_UNAVAILABLE', 'Store is down'));
  await assert.rejects(createFlist(options), (error) => isG8Error(error, 'ERR_STORE_UNAVAILABLE'));
  assert.deepEqual(readdirSync(folder), ['source']);
});

test('createFlist() stops when it is aborted while the store hangs', async (t) => {
  const { options, folder, store } = prepare(t);
  const controller = new AbortController();
  store.missing = (_ids, { signal } = {}) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
      controller.abort(new G8Error('ERR_ABORTED', 'Interrupted'));
    });
  await assert.rejects(createFlist({ ...options, signal: controller.signal }), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
  assert.deepEqual(readdirSync(folder), ['source']);
});

test('createFlist() counts its progress to the end', async (t) => {
  const { options } = prepare(t);
  const progress = createProgress();
  const { bytes } = await createFlist({ ...options, progress });
  const total = { bytes, bytesTotal: bytes, position: 0, positionTotal: 0 };
  assert.deepEqual(progress, { phase: 'writing', entries: 6, ...total });
});

for (const wrong of [{ blockSize: 5000 }, { blockSize: 2048 }, { level: 20 }]) {
  test(`createFlist() refuses ${JSON.stringify(wrong)}`, async (t) => {
    await assert.rejects(createFlist({ ...prepare(t).options, ...wrong }), RangeError);
  });
}

test('createFlist() says before the work that the output cannot be', async (t) => {
  const { options, addon } = prepare(t);
  const untouched = { ...addon, scanEntry: () => Promise.reject(new Error('The source was read')) };
  const output = '/no/such/folder/out.flist';
  await assert.rejects(createFlist({ ...options, output, addon: untouched }), (error) =>
    isG8Error(error, 'ERR_CREATE'),
  );
});
