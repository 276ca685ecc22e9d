import assert from 'node:assert/strict';
import test from 'node:test';
import type { Inode } from '../../../src/format/tree.ts';
import { copiedTree } from '../../../src/image/copied-tree.ts';
import { directory, file, latin1, symlink } from '../../support/index-trees.ts';

const COPIER = { uid: 5, gid: 6, umask: 0o027, mtimeSeconds: 99 };

function child(parent: Inode, name: string): Inode {
  const wanted = Buffer.from(name);
  const found = parent.entries?.find((entry) => wanted.equals(entry.name));
  assert.ok(found, name);
  return found.inode;
}

test('copiedTree() keeps types, contents and targets, and gives the rest anew', () => {
  const owned = { uid: 1, gid: 2, mtimeSeconds: 3, mtimeNanoseconds: 4 };
  const program = file('program', 9, { ...owned, permissions: 0o4777, xattrs: { 'user.a': 'b' } });
  const tree = directory(
    { bin: directory({ program }, owned), link: symlink('bin', owned) },
    owned,
  );
  const copy = copiedTree(tree, COPIER);
  const own = { uid: 5, gid: 6, mtimeSeconds: 99, mtimeNanoseconds: 0 };
  const { content, size } = program;
  assert.deepEqual(child(child(copy, 'bin'), 'program'), { ...own, size, content, mode: 0o100750 });
  assert.equal(child(copy, 'bin').mode, 0o40750);
  assert.deepEqual(child(copy, 'link'), {
    ...own,
    size: 0,
    target: latin1('bin'),
    mode: 0o120750,
  });
  assert.equal(program.mode, 0o104777);
});

test('copiedTree() gives names of one inode names of one copy', () => {
  const linked = file('linked', 1);
  const copy = copiedTree(directory({ a: linked, sub: directory({ b: linked }) }), COPIER);
  assert.equal(child(copy, 'a'), child(child(copy, 'sub'), 'b'));
  assert.notEqual(child(copy, 'a'), linked);
});

test('copiedTree() follows a tree that is deeper than a call stack', () => {
  let deep = directory({});
  for (let depth = 0; depth < 100_000; depth++) deep = directory({ d: deep });
  let copy: Inode | undefined = copiedTree(deep, COPIER);
  let count = 0;
  for (; copy !== undefined; copy = copy.entries?.[0]?.inode) count++;
  assert.equal(count, 100_001);
});
