/** Laws of edits and merges over random trees. fast-check prints the seed of a failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../src/base/errors.ts';
import { changeInodes, withOwner } from '../../src/format/edit/attributes.ts';
import {
  linkEntry,
  makeDirectory,
  moveEntry,
  putInode,
  removeEntry,
} from '../../src/format/edit/entries.ts';
import { findPlace, findSlot, pathOf } from '../../src/format/edit/place.ts';
import { putTree } from '../../src/format/edit/put-tree.ts';
import { dumpTree } from '../../src/format/flist/dump.ts';
import { readTree } from '../../src/format/flist/read-tree.ts';
import { mergeTrees, stackTrees } from '../../src/format/flist/stack.ts';
import { writeRecords } from '../../src/format/flist/write-records.ts';
import { stackLayers } from '../../src/format/layer/stack-layers.ts';
import type { Inode } from '../../src/format/tree.ts';
import { bytes, directory, file, MemoryDatabase } from '../support/flist-trees.ts';
import { randomTree } from '../support/random-trees.ts';
import { amount } from '../support/thorough.ts';

const RUNS = { numRuns: amount(75, 300) };
const BIRTH = { permissions: 0o755, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };
const tree = randomTree('mixed');
const uniform = randomTree('uniform');
const path = fc
  .array(fc.constantFrom('a', 'b', 'c', '..', 'new'), { minLength: 1, maxLength: 4 })
  .map((names) => bytes(`/${names.join('/')}`));

function same(actual: Inode, expected: Inode): void {
  assert.deepEqual([...dumpTree(actual)], [...dumpTree(expected)]);
}

/** What an edit gives, or the tree as it was when it is refused. It must be refused with a code. */
function attempt(root: Inode, edit: (root: Inode) => Inode): Inode {
  try {
    return edit(root);
  } catch (error) {
    assert.ok(isG8Error(error), String(error));
    assert.ok(['ERR_NO_INPUT', 'ERR_CREATE', 'ERR_USAGE'].includes(error.code), error.code);
    return root;
  }
}

const edit: fc.Arbitrary<(root: Inode) => Inode> = fc.oneof(
  path.map((at) => (root: Inode) => makeDirectory(root, at, BIRTH, { parents: true })),
  path.map((at) => (root: Inode) => putInode(root, findSlot(root, at), file('put'))),
  path.map((at) => (root: Inode) => removeEntry(root, at, { directories: 'all' })),
  fc.tuple(path, path).map(
    ([a, b]) =>
      (root: Inode) =>
        moveEntry(root, findSlot(root, a), findSlot(root, b)),
  ),
  fc.tuple(path, path).map(
    ([a, b]) =>
      (root: Inode) =>
        linkEntry(root, a, findSlot(root, b)),
  ),
  fc.tuple(path, tree).map(
    ([at, t]) =>
      (root: Inode) =>
        putTree(root, at, t, { force: true }),
  ),
);

test('any edits give a tree that can be stored, and never change the one they began with', () => {
  fc.assert(
    fc.property(tree, fc.array(edit, { maxLength: 12 }), (root, edits) => {
      const before = [...dumpTree(root)];
      const edited = edits.reduce(attempt, root);
      assert.deepEqual([...dumpTree(root)], before);
      same(readTree(new MemoryDatabase(writeRecords(edited))), edited);
    }),
    RUNS,
  );
});

test('putting and removing, and moving there and back, change nothing', () => {
  fc.assert(
    fc.property(tree, path, (root, at) => {
      let slot: ReturnType<typeof findSlot> | undefined;
      attempt(root, () => {
        slot = findSlot(root, at);
        return root;
      });
      if (slot === undefined || slot.inode !== undefined) return;
      const where = bytes(pathOf([...slot.folder.names, slot.name]));
      const put = putInode(root, slot, file('x'));
      assert.equal(findPlace(put, where, { followLast: false }).inode.size, 1);
      same(removeEntry(put, where, { directories: 'none' }), root);
      const away = bytes('/moved');
      const moved = moveEntry(put, findSlot(put, where), findSlot(put, away));
      same(moveEntry(moved, findSlot(moved, away), findSlot(moved, where)), put);
    }),
    RUNS,
  );
});

test('changing owners twice is changing them once', () => {
  fc.assert(
    fc.property(tree, fc.nat(5), (root, uid) => {
      const change = (from: Inode) =>
        changeInodes(from, from, { recursive: true }, (inode) => withOwner(inode, { uid }));
      const once = change(root);
      assert.equal(change(once), once);
    }),
    RUNS,
  );
});

test('merging is idempotent, and merging many is merging one after the other', () => {
  fc.assert(
    fc.property(tree, tree, tree, (a, b, c) => {
      same(mergeTrees([a, a]), a);
      same(mergeTrees([a, directory()]), a);
      same(mergeTrees([mergeTrees([a, b]), c]), mergeTrees([a, b, c]));
      same(mergeTrees([a, mergeTrees([a, b])]), mergeTrees([a, b]));
      same(stackTrees([c, b, a]), mergeTrees([a, b, c]));
    }),
    RUNS,
  );
});

test('merging is associative where no name is a directory in one tree and something else in another', () => {
  fc.assert(
    fc.property(uniform, uniform, uniform, (a, b, c) => {
      same(mergeTrees([a, mergeTrees([b, c])]), mergeTrees([mergeTrees([a, b]), c]));
      same(stackLayers([c, b, a], 'oci'), mergeTrees([a, b, c]));
    }),
    RUNS,
  );
});

test('stacking layers one by one, or several at once, is the same', () => {
  fc.assert(
    fc.property(tree, tree, tree, (a, b, c) => {
      for (const style of ['oci', 'overlay'] as const) {
        const below = stackLayers([a, b], style);
        same(stackLayers([below, c], style), stackLayers([a, b, c], style));
        same(stackLayers([a, a], style), a);
      }
    }),
    RUNS,
  );
});
