import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeInodes, withOwner } from '../../../../src/format/edit/attributes.ts';
import { directory, file, find, symlink } from '../../../support/flist-trees.ts';

const linked = file('linked');
const tree = directory({
  d: directory({ a: linked, sub: directory({ deep: file('deep') }), link: symlink('/e') }),
  e: directory({ b: linked, c: file('c') }),
});
const own = (uid: number) => (inode: typeof tree) => withOwner(inode, { uid });

test('changeInodes() changes an inode under all its names', () => {
  const changed = changeInodes(tree, linked, { recursive: false }, own(7));
  assert.equal(find(changed, 'd/a').uid, 7);
  assert.equal(find(changed, 'e/b'), find(changed, 'd/a'));
  assert.equal(find(changed, 'd/sub'), find(tree, 'd/sub'));
});

test('changeInodes() changes a directory without what is in it, or with everything below', () => {
  const one = changeInodes(tree, find(tree, 'd'), { recursive: false }, own(7));
  assert.deepEqual([find(one, 'd').uid, find(one, 'd/sub').uid], [7, 0]);
  const all = changeInodes(tree, find(tree, 'd'), { recursive: true }, own(7));
  const uids = ['d', 'd/sub', 'd/sub/deep', 'd/a', 'd/link', 'e/b', 'e', 'e/c', ''].map(
    (path) => find(all, path).uid,
  );
  assert.deepEqual(uids, [7, 7, 7, 7, 7, 7, 0, 0, 0]);
});

test('changeInodes() gives the same tree when nothing changes', () => {
  assert.equal(changeInodes(tree, tree, { recursive: true }, own(0)), tree);
});

test('changeInodes() does not run out of stack in deep trees', () => {
  let deep = file('x');
  for (let i = 0; i < 8000; i++) deep = directory({ d: deep });
  const changed = changeInodes(deep, deep, { recursive: true }, own(1));
  let inode = changed;
  while (inode.entries !== undefined) inode = inode.entries[0]!.inode;
  assert.deepEqual([inode.uid, inode.size], [1, 1]);
});
