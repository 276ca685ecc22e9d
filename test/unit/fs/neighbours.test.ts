import assert from 'node:assert/strict';
import test from 'node:test';
import { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import { PathTable } from '../../../src/format/index/paths.ts';
import { MountIndexReader } from '../../../src/format/index/reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import type { Inode } from '../../../src/format/tree.ts';
import { S_IFREG } from '../../../src/format/tree.ts';
import { Neighbours } from '../../../src/fs/foresight/neighbours.ts';
import { chunkOf, contentOf, directory, inode } from '../../support/index-trees.ts';

const BLOCK = 512 * 1024;
const PLENTY = 1e9;

function stored(name: string, storedSize: number, size = storedSize): Inode {
  const chunks = Array.from({ length: Math.ceil(size / BLOCK) }, (_, i) => {
    return { ...chunkOf(`${name} ${i}`), storedSize };
  });
  return inode(S_IFREG, { size, content: contentOf(name, size, chunks) });
}

/** A folder `/lib` with files of these stored sizes, and who knows what is beside them. */
function world(
  files: Readonly<Record<string, number>>,
  more: Readonly<Record<string, Inode>> = {},
) {
  const lib = Object.entries(files).map(([name, size]) => [name, stored(name, size)]);
  const tree = directory({ lib: directory(Object.fromEntries([...lib, ...Object.entries(more)])) });
  const image = buildMountIndex(tree);
  const read = (pieces: Iterable<Uint8Array>) => bufferSource(Buffer.concat([...pieces]));
  const contents = new ContentsReader(read(image.contents()), read(image.chunks()));
  const index = new MountIndexReader(read(image.erofs()));
  const folder = index.resolvePath(Buffer.from('/lib')) as number;
  const row = (name: string): number => {
    const nid = index.resolvePath(Buffer.from(`/lib/${name}`)) as number;
    return contents.contentOf(index.inode(nid).ino) as number;
  };
  const names = new Map([...Object.keys(files), ...Object.keys(more)].map((n) => [row(n), n]));
  const beside = new Neighbours(contents, index);
  const miss = (name: string, bytesMax = PLENTY): (string | undefined)[] =>
    beside.miss(folder, row(name), bytesMax).map((each) => names.get(each.row));
  return { miss, index, folder };
}

const KIB = 1024;
const LARGE = { a: 50 * KIB, b: 30 * KIB, c: 40 * KIB, d: 20 * KIB, e: 60 * KIB };

test('from the second miss in a folder on its small files come along, the smallest first', () => {
  const { miss } = world(LARGE, { big: stored('big', 100, 3 * BLOCK) });
  assert.deepEqual(miss('a'), []);
  assert.deepEqual(miss('b'), ['d', 'c', 'e']);
  assert.deepEqual(miss('e'), [], 'each is named once');
});

test('no more comes along than may, and the rest with the next miss', () => {
  const { miss } = world(LARGE);
  assert.deepEqual(miss('a', 0), []);
  assert.deepEqual(miss('b', 59 * KIB), ['d']);
  assert.deepEqual(miss('d', 10), []);
  assert.deepEqual(miss('d', PLENTY), ['c', 'e']);
});

test('what a reader has missed itself is not named', () => {
  const { miss } = world(LARGE);
  miss('a', 0);
  miss('d', 0);
  miss('c', 0);
  assert.deepEqual(miss('b'), ['e']);
});

test('one pick is bounded in files and in bytes', () => {
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, 400]));
  const few = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, 60 * KIB + i]));
  for (const [files, count] of [
    [many, 16],
    [few, 4],
  ] as const) {
    const { miss } = world(files);
    miss('f0', 0);
    assert.equal(miss('f1').length, count);
  }
});

test('a folder that is small as a whole comes with its first miss', () => {
  const { miss } = world({ a: 5 * KIB, b: 3 * KIB, c: 8 * KIB });
  assert.deepEqual(miss('a'), ['b', 'c']);
});

test('PathTable.folderOf() finds the folder of a file by either number', () => {
  const { index, folder } = world(LARGE);
  const table = new PathTable(index);
  for (const _step of table.build());
  const nid = index.resolvePath(Buffer.from('/lib/c')) as number;
  assert.equal(table.folderOf({ nid }), folder);
  assert.equal(table.folderOf({ ino: index.inode(nid).ino }), folder);
});
