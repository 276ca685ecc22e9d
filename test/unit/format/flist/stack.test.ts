import assert from 'node:assert/strict';
import { test } from 'node:test';

import { mergeTrees, stackTrees } from '../../../../src/format/flist/stack.ts';
import type { Inode } from '../../../../src/format/tree.ts';
import { directory, file, find, symlink } from '../../../support/flist-trees.ts';

const listing = (root: Inode) =>
  root.entries?.map(({ name }) => Buffer.from(name).toString('latin1'));

test('stackTrees() shows the last layer on top', () => {
  const top = file('top');
  const stacked = stackTrees([directory({ f: file('bottom') }), directory({ f: top })]);
  assert.equal(find(stacked, 'f'), top);
});

test('stackTrees() merges directories deeply under the uppermost attributes', () => {
  const stacked = stackTrees([
    directory({ d: directory({ e: directory({ low: file('low') }) }, { mode: 0o40700 }) }),
    directory({ d: directory({ e: directory({ high: file('high') }) }, { mode: 0o41777 }) }),
  ]);
  assert.deepEqual(listing(find(stacked, 'd/e')), ['high', 'low']);
  assert.equal(find(stacked, 'd').mode, 0o41777);
});

test('stackTrees() hides a directory behind a file', () => {
  const top = file('x');
  const stacked = stackTrees([
    directory({ x: directory({ y: file('y') }) }),
    directory({ x: top }),
  ]);
  assert.equal(find(stacked, 'x'), top);
});

test('stackTrees() looks through a file that is between two directories', () => {
  const stacked = stackTrees([
    directory({ x: directory({ low: file('low') }) }),
    directory({ x: symlink('y') }),
    directory({ x: directory({ high: file('high') }) }),
  ]);
  assert.deepEqual(listing(find(stacked, 'x')), ['high', 'low']);
});

test('stackTrees() knows no whiteouts', () => {
  const stacked = stackTrees([directory({ f: file('f') }), directory({ '.wh.f': file('') })]);
  assert.deepEqual(listing(stacked), ['.wh.f', 'f']);
});

test('stackTrees() keeps names apart that are not UTF-8', () => {
  const stacked = stackTrees([
    directory({ '\0\xff': file('1') }),
    directory({ '\0\xfe': file('2') }),
  ]);
  assert.deepEqual(listing(stacked), ['\xfe', '\xff']);
});

test('stackTrees() leaves its layers as they are and keeps hard links', () => {
  const linked = file('linked');
  const lower = directory({ d: directory({ a: linked, b: linked }) });
  const upper = directory({ d: directory({ c: file('c') }) });
  const before = structuredClone([lower, upper]);
  const stacked = stackTrees([lower, upper]);
  assert.deepEqual([lower, upper], before);
  assert.equal(find(stacked, 'd/a'), find(stacked, 'd/b'));
});

test('stackTrees() gives a single layer as it is and refuses none', () => {
  const only = directory({ f: file('f') });
  assert.equal(stackTrees([only]), only);
  assert.throws(() => stackTrees([]), RangeError);
});

test('stackTrees() takes very deep trees', () => {
  let [a, b] = [directory({ a: file('a') }), directory({ b: file('b') })];
  for (let depth = 0; depth < 8000; depth++) {
    [a, b] = [directory({ d: a }), directory({ d: b })];
  }
  let inode = stackTrees([a, b]);
  for (let depth = 0; depth < 8000; depth++) inode = inode.entries?.[0]?.inode as Inode;
  assert.deepEqual(listing(inode), ['a', 'b']);
});

test('mergeTrees() lets the first tree win', () => {
  const first = file('first');
  const merged = mergeTrees([
    directory({ f: first, x: first }, { mode: 0o40711 }),
    directory({ f: file('second'), g: file('g'), x: directory({ y: file('y') }) }),
  ]);
  assert.equal(find(merged, 'f'), first);
  assert.equal(find(merged, 'x'), first);
  assert.deepEqual(listing(merged), ['f', 'g', 'x']);
  assert.equal(merged.mode, 0o40711);
});
