import assert from 'node:assert/strict';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type CreateOptions, createFlist } from '../../../src/image/create.ts';
import { openImage } from '../../../src/image/open.ts';
import { FolderSource } from '../../../src/image/source/folder.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { fakeAddon } from '../../support/fake-addon.ts';
import { ImageMaker } from '../../support/made-image.ts';
import { NodeScan, PlainCodec } from '../../support/node-scan.ts';

const OLD = new Date('2020-01-01T00:00:00Z');

async function prepare(t: TestContext) {
  const maker = new ImageMaker(t);
  const path = join(maker.folder, 'source');
  mkdirSync(join(path, 'sub'), { recursive: true });
  for (const name of ['same', 'sub/same', 'later', 'longer']) write(join(path, name), name);
  const first = await maker.create(path);
  const codec = new PlainCodec();
  const again = async (options: Partial<CreateOptions> = {}) => {
    const parent = await openImage(first.output, { codec: maker.addon });
    codec.encodes = 0;
    const { store, folder } = maker;
    const made = await createFlist({
      source: new FolderSource({ path, parent }),
      output: join(folder, 'again.flist'),
      store,
      addon: fakeAddon(new NodeScan(), codec),
      blockSize: 4096,
      ...options,
    });
    return { ...made, reads: codec.encodes };
  };
  return { maker, path, first, again };
}

function write(path: string, text: string, time = OLD): void {
  writeFileSync(path, text);
  utimesSync(path, time, time);
}

test('files that are as they were are not read', async (t) => {
  const { first, again } = await prepare(t);
  const { reads, reusedFiles, chunks, storedBytes, rootDigest } = await again();
  assert.deepEqual([reads, reusedFiles], [0, 4]);
  assert.deepEqual(
    [rootDigest, chunks, storedBytes],
    [first.rootDigest, first.chunks, first.storedBytes],
  );
});

test('files with another time, size, type or path are read', async (t) => {
  const { maker, path, again } = await prepare(t);
  write(join(path, 'later'), 'LATER', new Date('2020-01-01T00:00:00.001Z'));
  write(join(path, 'longer'), 'longer!');
  write(join(path, 'sub/new'), 'new');
  const { reads, reusedFiles } = await again();
  assert.deepEqual([reads, reusedFiles], [3, 2]);
  assert.deepEqual(await maker.texts(join(maker.folder, 'again.flist')), {
    later: 'LATER',
    longer: 'longer!',
    same: 'same',
    'sub/new': 'new',
    'sub/same': 'sub/same',
  });
});

test('files whose chunks the store lacks are read', async (t) => {
  const { first, again } = await prepare(t);
  const { reads, reusedFiles, newChunks } = await again({ store: new MemoryStore() });
  assert.deepEqual([reads, reusedFiles, newChunks], [4, 0, first.chunks]);
});

test('files are read when blocks are to have another size', async (t) => {
  const { again } = await prepare(t);
  assert.equal((await again({ blockSize: 8192 })).reads, 4);
});
