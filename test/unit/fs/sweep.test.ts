import assert from 'node:assert/strict';
import test from 'node:test';
import { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { Sweep } from '../../../src/fs/sweep.ts';
import { directory, file } from '../../support/index-trees.ts';

const SIZE = 1000;

/** Folders of small files; the contents in the order of the tree. */
function treeOf(folders: number, files: number, size = SIZE): [Sweep, number[], ContentsReader] {
  const tree: Record<string, ReturnType<typeof directory>> = {};
  for (let folder = 0; folder < folders; folder++) {
    const entries: Record<string, ReturnType<typeof file>> = {};
    for (let i = 0; i < files; i++) entries[`f${name(i)}`] = file(`${folder}-${i}`, size);
    tree[`d${name(folder)}`] = directory(entries);
  }
  const index = buildMountIndex(directory(tree));
  const contents = new ContentsReader(
    bufferSource(Buffer.concat([...index.contents()])),
    bufferSource(Buffer.concat([...index.chunks()])),
  );
  const order: number[] = [];
  for (let inode = 1; inode <= contents.totals().inodes; inode++) {
    const content = contents.contentOf(inode);
    if (content !== undefined) order.push(content);
  }
  return [new Sweep(contents), order, contents];
}

const name = (i: number): string => String(i).padStart(6, '0');

/** Reads everything in order; what was fetched ahead is no miss. Gives misses and sizes of windows. */
function readAll(sweep: Sweep, order: readonly number[]): { misses: number; windows: number[] } {
  const here = new Set<number>();
  const windows: number[] = [];
  let misses = 0;
  for (const content of order) {
    if (here.has(content)) continue;
    misses++;
    const ahead = sweep.miss(content);
    if (ahead.length > 0) windows.push(ahead.length);
    for (const each of [content, ...ahead]) here.add(each);
  }
  return { misses, windows };
}

test('a reader in order is fetched ahead of, twice as far each time up to the limit', () => {
  const [sweep, order] = treeOf(1, 2000);
  const { misses, windows } = readAll(sweep, order);
  assert.deepEqual(windows.slice(0, 7), [8, 16, 32, 64, 128, 256, 256]);
  assert.ok(misses < 16, `${misses} misses`);
});

test('neighbouring folders without folders in them are one run', () => {
  const [sweep, order] = treeOf(500, 3);
  assert.ok(readAll(sweep, order).misses < 16);
});

test('what is fetched ahead is what comes next', () => {
  const [sweep, order] = treeOf(1, 100);
  for (const content of order.slice(0, 3)) assert.deepEqual(sweep.miss(content), []);
  assert.deepEqual(sweep.miss(order[3]!), order.slice(4, 12));
  // Half of it has not been read: the reader is only faster than the network.
  assert.deepEqual(sweep.miss(order[5]!), []);
  assert.deepEqual(sweep.miss(order[10]!), order.slice(12, 28));
});

test('files opened in no order fetch nothing ahead', () => {
  const [sweep, order] = treeOf(1, 997);
  for (let i = 0; i < order.length; i++) {
    assert.deepEqual(sweep.miss(order[(i * 401) % order.length]!), []);
  }
});

test('a reader that leaves files out fetches nothing ahead', () => {
  const [sweep, order] = treeOf(1, 200);
  for (let i = 0; i < order.length; i += 2) assert.deepEqual(sweep.miss(order[i]!), []);
});

test('readers at several places are followed at the same time', () => {
  const [sweep, order] = treeOf(1, 1600);
  let ahead = 0;
  for (let i = 0; i < 4; i++) {
    for (let reader = 0; reader < 16; reader++)
      ahead += sweep.miss(order[reader * 100 + i]!).length;
  }
  assert.equal(ahead, 16 * 8);
});

test('a window is bounded in bytes, and large files are left out', () => {
  const [sweep, order] = treeOf(1, 300, 1024 * 1024);
  assert.ok(Math.max(...readAll(sweep, order).windows) <= 8);
  const [large, largeOrder] = treeOf(1, 20, 3 * 1024 * 1024);
  assert.deepEqual(readAll(large, largeOrder), { misses: 20, windows: [] });
});

test('a reader who kept to the order is trusted at its next place', () => {
  const [sweep, order] = treeOf(1, 4000);
  readAll(sweep, order.slice(0, 1000));
  assert.ok(sweep.miss(order[3000]!).length >= 8);
  sweep.stop();
  assert.deepEqual(sweep.miss(order[3500]!), []);
});

test('files that were foretold do not make a reader lose the order', () => {
  const [, order, contents] = treeOf(1, 400);
  const foretold = new Set(order.filter((_, i) => i % 3 === 1));
  const missed = order.filter((content) => !foretold.has(content));
  const windows = (sweep: Sweep): number => readAll(sweep, missed).windows.length;
  assert.ok(windows(new Sweep(contents, (content) => foretold.has(content))) > 0);
  assert.equal(windows(new Sweep(contents)), 0);
});
