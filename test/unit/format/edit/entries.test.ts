import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  type Birth,
  destination,
  linkEntry,
  makeDirectory,
  moveEntry,
  putInode,
  removeEntry,
  symlinkEntry,
} from '../../../../src/format/edit/entries.ts';
import { findPlace, findSlot, pathOf } from '../../../../src/format/edit/place.ts';
import { dumpTree } from '../../../../src/format/flist/dump.ts';
import type { Inode } from '../../../../src/format/tree.ts';
import { bytes, directory, file, find, symlink } from '../../../support/flist-trees.ts';

const BIRTH: Birth = { permissions: 0o750, uid: 1, gid: 2, mtimeSeconds: 3, mtimeNanoseconds: 4 };
const linked = file('linked');
const tree = directory({
  bin: symlink('usr/bin'),
  usr: directory({ bin: directory({ sh: file('sh') }), up: symlink('../..') }),
  etc: directory({ a: linked, b: linked }),
  empty: directory(),
  loop: symlink('loop'),
  dangling: symlink('/no/where'),
});

const names = (root: Inode, path: string) =>
  find(root, path).entries?.map(({ name }) => Buffer.from(name).toString());
const dump = (root: Inode) => [...dumpTree(root)];

function fails(action: () => unknown, errno: string, message: RegExp): void {
  assert.throws(action, (error) => {
    assert.ok(isG8Error(error), String(error));
    assert.equal(error.details['errno'], errno);
    assert.match(error.message, message);
    return true;
  });
}

describe('findPlace()', () => {
  const place = (path: string, followLast = true) =>
    pathOf(findPlace(tree, bytes(path), { followLast }).names);

  test('follows links in the middle, and at the end when asked to', () => {
    assert.equal(place('/bin/sh'), '/usr/bin/sh');
    assert.equal(place('bin'), '/usr/bin');
    assert.equal(place('bin', false), '/bin');
    assert.equal(place('bin/', false), '/usr/bin');
  });

  test('stays inside the image', () => {
    assert.equal(place('/../../usr/up/../etc/./a'), '/etc/a');
    assert.equal(place('/'), '/');
  });

  test('says what is wrong', () => {
    fails(() => place('/etc/none'), 'ENOENT', /^\/etc\/none is not in the image$/);
    fails(() => place('/etc/a/x'), 'ENOTDIR', /^\/etc\/a is not a directory$/);
    fails(() => place('/loop'), 'ELOOP', /symlinks/);
    fails(() => place('/dangling'), 'ENOENT', /dangling/);
  });
});

describe('makeDirectory()', () => {
  test('makes one with its attributes, and leaves the old tree alone', () => {
    const before = dump(tree);
    const made = makeDirectory(tree, bytes('/bin/new'), BIRTH);
    const { mode, uid, gid, mtimeSeconds } = find(made, 'usr/bin/new');
    assert.deepEqual([mode, uid, gid, mtimeSeconds], [0o40750, 1, 2, 3]);
    assert.deepEqual(dump(tree), before);
    assert.equal(find(made, 'etc'), find(tree, 'etc'));
  });

  test('makes missing parents when asked to, and takes what is there', () => {
    const made = makeDirectory(tree, bytes('/bin/x/y/z/'), BIRTH, { parents: true });
    assert.equal(find(made, 'usr/bin/x').mode, 0o40755);
    assert.equal(find(made, 'usr/bin/x/y/z').mode, 0o40750);
    assert.equal(makeDirectory(made, bytes('bin/x/y'), BIRTH, { parents: true }), made);
    assert.equal(makeDirectory(made, bytes('/'), BIRTH, { parents: true }), made);
  });

  test('refuses what mkdir(2) refuses', () => {
    fails(() => makeDirectory(tree, bytes('/etc'), BIRTH), 'EEXIST', /^\/etc is there already$/);
    fails(() => makeDirectory(tree, bytes('/'), BIRTH), 'EEXIST', /already/);
    fails(() => makeDirectory(tree, bytes('/dangling'), BIRTH), 'EEXIST', /already/);
    fails(() => makeDirectory(tree, bytes('/x/y'), BIRTH), 'ENOENT', /^\/x is not/);
    fails(() => makeDirectory(tree, bytes('/etc/a/y'), BIRTH), 'ENOTDIR', /^\/etc\/a is not/);
    const long = bytes(`/${'n'.repeat(256)}`);
    fails(() => makeDirectory(tree, long, BIRTH), 'ENAMETOOLONG', /name/);
    const parents = { parents: true };
    fails(() => makeDirectory(tree, bytes('/etc/a'), BIRTH, parents), 'EEXIST', /already/);
    fails(() => makeDirectory(tree, bytes('/etc/a/b'), BIRTH, parents), 'ENOTDIR', /etc\/a is/);
  });
});

describe('removeEntry()', () => {
  test('removes files, links and what is below', () => {
    const options = { directories: 'all' } as const;
    assert.deepEqual(names(removeEntry(tree, bytes('/etc/a'), options), 'etc'), ['b']);
    assert.equal(names(removeEntry(tree, bytes('/bin'), options), '')?.includes('usr'), true);
    assert.deepEqual(names(removeEntry(tree, bytes('/usr/bin'), options), 'usr'), ['up']);
  });

  test('spares directories as asked', () => {
    const remove = (path: string, directories: 'none' | 'empty' | 'only-empty') => () =>
      removeEntry(tree, bytes(path), { directories });
    fails(remove('/etc', 'none'), 'EISDIR', /^\/etc is a directory$/);
    fails(remove('/etc', 'empty'), 'ENOTEMPTY', /^\/etc is not empty$/);
    fails(remove('/etc/a', 'only-empty'), 'ENOTDIR', /not a directory/);
    fails(remove('/none', 'none'), 'ENOENT', /not in the image/);
    fails(remove('/', 'none'), 'EBUSY', /root/);
    assert.equal(names(remove('/empty', 'only-empty')(), '')?.includes('empty'), false);
  });
});

describe('moveEntry()', () => {
  const move = (root: Inode, from: string, to: string) => {
    const source = findSlot(root, bytes(from));
    return moveEntry(root, source, destination(root, bytes(to), source.name));
  };

  test('renames, moves into directories and replaces', () => {
    assert.deepEqual(names(move(tree, '/etc/a', '/etc/c'), 'etc'), ['b', 'c']);
    assert.deepEqual(names(move(tree, '/etc', '/bin'), 'usr/bin'), ['etc', 'sh']);
    const replaced = move(tree, '/bin/sh', '/etc/b');
    assert.equal(find(replaced, 'etc/b'), find(tree, 'usr/bin/sh'));
    assert.deepEqual(names(replaced, 'usr/bin'), []);
  });

  test('takes a name away when it moves over another of the same inode', () => {
    assert.deepEqual(names(move(tree, '/etc/a', '/etc/b'), 'etc'), ['b']);
    assert.equal(move(tree, '/etc/a', '/etc/../etc/a'), tree);
  });

  test('refuses what rename(2) refuses', () => {
    fails(() => move(tree, '/usr', '/usr/bin/x'), 'EINVAL', /into itself/);
    fails(() => move(tree, '/usr', '/usr'), 'EINVAL', /into itself/);
    fails(() => move(tree, '/usr', '/etc/a'), 'ENOTDIR', /etc\/a is not a directory/);
    fails(() => move(tree, '/none', '/x'), 'ENOENT', /none/);
    fails(() => move(tree, '/etc/a', '/none/'), 'ENOENT', /none/);
    const slots = ['/etc/a', '/usr'].map((path) => findSlot(tree, bytes(path)));
    fails(() => moveEntry(tree, slots[0]!, slots[1]!), 'EISDIR', /usr is a directory/);
    const into = findSlot(tree, bytes('/usr/bin'));
    fails(() => moveEntry(tree, into, slots[1]!), 'ENOTEMPTY', /usr is not empty/);
  });
});

describe('linkEntry() and symlinkEntry()', () => {
  test('a hard link shares the inode', () => {
    const made = linkEntry(tree, bytes('/bin/sh'), findSlot(tree, bytes('/sh')));
    assert.equal(find(made, 'sh'), find(made, 'usr/bin/sh'));
    assert.equal(linkEntry(tree, bytes('/etc/a'), findSlot(tree, bytes('/etc/b'))), tree);
  });

  test('a taken name stays unless it may be replaced', () => {
    const slot = findSlot(tree, bytes('/etc/a'));
    fails(() => linkEntry(tree, bytes('/bin/sh'), slot), 'EEXIST', /etc\/a is there/);
    const made = linkEntry(tree, bytes('/bin/sh'), slot, { replace: true });
    assert.equal(find(made, 'etc/a'), find(tree, 'usr/bin/sh'));
    fails(() => symlinkEntry(tree, bytes('x'), slot, BIRTH), 'EEXIST', /etc\/a is there/);
    const forced = { replace: true };
    const folder = findSlot(tree, bytes('/etc'));
    fails(() => symlinkEntry(tree, bytes('x'), folder, BIRTH, forced), 'EISDIR', /etc is/);
  });

  test('directories have one name, and symlinks a target', () => {
    const slot = findSlot(tree, bytes('/new'));
    fails(() => linkEntry(tree, bytes('/etc'), slot), 'EISDIR', /etc is a directory/);
    fails(() => symlinkEntry(tree, bytes(''), slot, BIRTH), 'ENAMETOOLONG', /name/);
    const { mode, target } = find(symlinkEntry(tree, bytes('t'), slot, BIRTH), 'new');
    assert.deepEqual([mode, target], [0o120777, bytes('t')]);
  });
});

test('putInode() replaces all but directories', () => {
  const made = putInode(tree, destination(tree, bytes('/bin'), 'sh'), file('new'));
  assert.equal(find(made, 'usr/bin/sh').size, 3);
  const slot = findSlot(tree, bytes('/usr'));
  fails(() => putInode(tree, slot, file('new')), 'EISDIR', /usr is a directory/);
});
