import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { putTree } from '../../../../src/format/edit/put-tree.ts';
import { dumpTree } from '../../../../src/format/flist/dump.ts';
import { bytes, directory, file, find, symlink } from '../../../support/flist-trees.ts';

const image = directory({
  lib: symlink('usr/lib'),
  usr: directory({ lib: directory({ old: file('old') }) }, { mode: 0o40700 }),
  f: file('f'),
});

test('putTree() merges; files and attributes of directories are those of the new tree', () => {
  const tree = directory({
    usr: directory({ lib: directory({ new: file('new') }) }),
    f: file('ff'),
  });
  const put = putTree(image, bytes('/'), tree);
  assert.deepEqual(
    find(put, 'usr/lib').entries?.map(({ name }) => Buffer.from(name).toString()),
    ['new', 'old'],
  );
  assert.equal(find(put, 'usr').mode, 0o40755);
  assert.equal(find(put, 'f').size, 2);
});

test('putTree() leaves the attributes of the directory it was given', () => {
  const put = putTree(image, bytes('/usr'), directory({ x: file('x') }, { mode: 0o40777 }));
  assert.equal(find(put, 'usr').mode, 0o40700);
  assert.equal(find(put, 'usr/x').size, 1);
});

test('putTree() goes where a link of the image leads instead of replacing it', () => {
  const tree = directory({ lib: directory({ x: directory({ y: file('y') }) }) });
  const put = putTree(image, bytes('/'), tree);
  assert.equal(Buffer.from(find(put, 'lib').target!).toString(), 'usr/lib');
  assert.equal(find(put, 'usr/lib/x/y').size, 1);
  assert.equal(find(put, 'usr/lib/old').size, 3);
});

test('putTree() refuses clashes of types unless forced', () => {
  const fileOverDirectory = directory({ usr: file('usr') });
  const directoryOverFile = directory({ f: directory({ x: file('x') }) });
  for (const tree of [fileOverDirectory, directoryOverFile]) {
    assert.throws(
      () => putTree(image, bytes('/'), tree),
      (error) => isG8Error(error) && /^\/(usr is a|f is there)/.test(error.message),
    );
  }
  assert.equal(find(putTree(image, bytes('/'), fileOverDirectory, { force: true }), 'usr').size, 3);
  assert.equal(find(putTree(image, bytes('/'), directoryOverFile, { force: true }), 'f/x').size, 1);
});

test('putTree() of a tree into an image that has it changes nothing but what differs', () => {
  const put = putTree(image, bytes('/'), directory({ usr: find(image, 'usr') }));
  assert.deepEqual([...dumpTree(put)], [...dumpTree(image)]);
});

test('putTree() needs a directory', () => {
  assert.throws(() => putTree(image, bytes('/f'), directory()), /\/f is not a directory/);
  assert.throws(() => putTree(image, bytes('/none'), directory()), /\/none is not in the image/);
});
