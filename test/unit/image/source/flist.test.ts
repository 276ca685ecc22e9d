import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { loadFlist } from '../../../../src/image/load.ts';
import { FlistSource } from '../../../../src/image/source/flist.ts';
import { MemoryStore } from '../../../../src/store/memory.ts';
import { chunkIdsOf, ImageMaker } from '../../../support/made-image.ts';

const LARGE = Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join('');

async function prepare(t: TestContext) {
  const maker = new ImageMaker(t);
  const folder = join(maker.folder, 'source');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'small'), 'hello');
  writeFileSync(join(folder, 'sub/large'), LARGE);
  const metadata = new Map([['readme', 'text']]);
  const { output, rootDigest } = await maker.create(folder, { metadata });
  let opened = 0;
  const source = async (keepBlockSize = true) =>
    new FlistSource({
      flist: await loadFlist(output, { codec: maker.addon }),
      openStore: async () => {
        opened++;
        return maker.store;
      },
      keepBlockSize,
    });
  return { maker, source, output, rootDigest, opened: () => opened };
}

test('chunks that the store has are named, not read', async (t) => {
  const { maker, source, rootDigest, opened } = await prepare(t);
  const made = await maker.create(await source(), { blockSize: 8192 });
  assert.deepEqual([made.rootDigest, made.newChunks, made.reusedFiles], [rootDigest, 0, 2]);
  assert.equal(opened(), 0);
  const { metadata } = await loadFlist(made.output, { codec: maker.addon });
  assert.deepEqual([...metadata], [['readme', 'text']]);
});

test('chunks that the store lacks are copied', async (t) => {
  const { maker, source, rootDigest } = await prepare(t);
  const store = new MemoryStore();
  const made = await maker.create(await source(), { store });
  assert.equal(made.rootDigest, rootDigest);
  assert.equal(made.newChunks, made.chunks);
  for (const inode of (await maker.inodes(made.output)).values()) {
    assert.deepEqual(await store.missing(chunkIdsOf(inode)), []);
  }
});

test('a chunk that is corrupt is not copied', async (t) => {
  const { maker, source, output } = await prepare(t);
  const inode = (await maker.inodes(output)).get('small');
  const [id] = inode === undefined ? [] : chunkIdsOf(inode);
  const { get } = maker.store;
  maker.store.get = async (wanted, options) =>
    wanted === id ? Buffer.from('other') : await get.call(maker.store, wanted, options);
  await assert.rejects(maker.create(await source(), { store: new MemoryStore() }), (error) =>
    isG8Error(error, 'ERR_CHUNK_CORRUPT'),
  );
});

test('contents are packed anew for another size of blocks', async (t) => {
  const { maker, source } = await prepare(t);
  const made = await maker.create(await source(false), { blockSize: 8192 });
  assert.equal(made.reusedFiles, 0);
  assert.deepEqual(await maker.texts(made.output), { small: 'hello', 'sub/large': LARGE });
  const large = (await maker.inodes(made.output)).get('sub/large');
  assert.equal(large?.content?.blockSize, 8192);
});

test('entries are left out, owner and time replaced', async (t) => {
  const { maker, source } = await prepare(t);
  const changes = { exclude: ['sub/'], owner: { uid: 7, gid: 8 }, mtimeSeconds: 9 };
  const made = await maker.create(await source(), changes);
  const [[path, inode], ...others] = [...(await maker.inodes(made.output))] as [[string, never]];
  assert.deepEqual([path, others.length, made.entries], ['small', 0, 2]);
  const { uid, gid, mtimeSeconds, mtimeNanoseconds } = inode as Record<string, number>;
  assert.deepEqual([uid, gid, mtimeSeconds, mtimeNanoseconds], [7, 8, 9, 0]);
});
