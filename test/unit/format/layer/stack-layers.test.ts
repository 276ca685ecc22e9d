import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { dumpTree } from '../../../../src/format/flist/dump.ts';
import { stackLayers } from '../../../../src/format/layer/stack-layers.ts';
import { type Inode, S_IFCHR } from '../../../../src/format/tree.ts';
import { bytes, directory, file, paths } from '../../../support/flist-trees.ts';

const shown = (root: Inode) =>
  [...paths(root)].slice(1).map(([path]) => Buffer.from(path, 'hex').toString());
const xattr = (name: string, value = 'y') => ({
  xattrs: [{ name: bytes(name), value: bytes(value) }],
});
const whiteout: Inode = { ...file(''), mode: S_IFCHR, rdevMajor: 0, rdevMinor: 0 };

const lower = directory({
  d: directory({ a: file('a'), b: file('b') }),
  e: directory({ x: file('x') }),
  f: file('f'),
});

test('stackLayers() takes away what OCI whiteouts name, and the whiteouts', () => {
  const upper = directory({ '.wh.f': file(''), d: directory({ '.wh.a': file(''), c: file('c') }) });
  assert.deepEqual(shown(stackLayers([lower, upper], 'oci')), ['d', 'd/b', 'd/c', 'e', 'e/x']);
});

test('stackLayers() keeps what the layer of a whiteout brings itself', () => {
  const upper = directory({
    '.wh.d': file(''),
    d: directory({ c: file('c') }),
    '.wh.none': file(''),
  });
  assert.deepEqual(shown(stackLayers([lower, upper], 'oci')), ['d', 'd/c', 'e', 'e/x', 'f']);
});

test('stackLayers() honours opaque directories of both styles', () => {
  const oci = directory({ d: directory({ '.wh..wh..opq': file(''), c: file('c') }) });
  const overlay = directory({ d: directory({ c: file('c') }, xattr('trusted.overlay.opaque')) });
  const user = directory({ d: directory({ c: file('c') }, xattr('user.overlay.opaque')) });
  const expected = ['d', 'd/c', 'e', 'e/x', 'f'];
  assert.deepEqual(shown(stackLayers([lower, oci], 'oci')), expected);
  const stacked = stackLayers([lower, overlay], 'overlay');
  assert.deepEqual(shown(stacked), expected);
  assert.deepEqual(
    [...dumpTree(stacked)].filter((line) => line.includes('xattr')),
    [],
  );
  assert.deepEqual(shown(stackLayers([lower, user], 'overlay')), expected);
});

test('stackLayers() takes device 0:0 and marked empty files for whiteouts of overlayfs', () => {
  const marked = file('', xattr('trusted.overlay.whiteout', ''));
  const upper = directory({ f: whiteout, d: directory({ a: marked }) });
  assert.deepEqual(shown(stackLayers([lower, upper], 'overlay')), ['d', 'd/b', 'e', 'e/x']);
});

test('stackLayers() keeps markers of the other style', () => {
  const upper = directory({ f: whiteout, '.wh.e': file('') });
  assert.deepEqual(shown(stackLayers([lower, upper], 'overlay')).includes('.wh.e'), true);
  assert.deepEqual(shown(stackLayers([lower, upper], 'oci')), ['d', 'd/a', 'd/b', 'f']);
});

test('stackLayers() lets a file hide a directory for good', () => {
  const layers = [
    lower,
    directory({ d: file('d') }),
    directory({ d: directory({ new: file('n') }) }),
  ];
  assert.deepEqual(shown(stackLayers(layers, 'oci')), ['d', 'd/new', 'e', 'e/x', 'f']);
});

test('stackLayers() removes markers of the lowest layer too, and keeps hard links', () => {
  const linked = file('l', xattr('user.overlay.origin'));
  const bottom = directory({
    a: linked,
    b: linked,
    '.wh..wh.plnk': directory(),
    '.wh.c': file(''),
  });
  assert.deepEqual(shown(stackLayers([bottom], 'oci')), ['a', 'b']);
  const stacked = stackLayers([directory({ a: linked, b: linked })], 'overlay');
  assert.equal(stacked.entries?.[0]?.inode, stacked.entries?.[1]?.inode);
  assert.equal(stacked.entries?.[0]?.inode.xattrs, undefined);
});

test('stackLayers() refuses layers whose files are in layers that are not there', () => {
  for (const upper of [
    directory({ d: directory({}, xattr('trusted.overlay.redirect', '/absent')) }),
    directory({ absent: file('f', xattr('trusted.overlay.metacopy', '')) }),
  ]) {
    assert.throws(
      () => stackLayers([lower, upper], 'overlay'),
      (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
    );
  }
});

test('stackLayers() takes from the layer below what overlayfs refers to: bytes, and what was renamed', () => {
  const bottom = directory({
    f: file('bytes'),
    old: directory({ inside: file('in'), gone: file('g') }),
    sub: directory({ a: directory({ x: file('x') }) }),
  });
  const metacopy = xattr('trusted.overlay.metacopy', '');
  const redirect = (path: string) => xattr('trusted.overlay.redirect', path);
  const upper = directory({
    f: { ...file('zeros', metacopy), uid: 7 },
    moved: {
      ...file('zeros'),
      xattrs: [...(metacopy.xattrs ?? []), ...(redirect('/f').xattrs ?? [])],
    },
    old: whiteout,
    new: directory({ more: file('m'), gone: whiteout }, redirect('/old')),
    sub: directory({ a: whiteout, b: directory({}, redirect('a')) }),
  });
  const stacked = stackLayers([bottom, upper], 'overlay');
  const find = (...names: string[]): Inode | undefined =>
    names.reduce<Inode | undefined>(
      (inode, name) =>
        inode?.entries?.find((entry) => Buffer.from(entry.name).toString() === name)?.inode,
      stacked,
    );
  assert.deepEqual(find('f')?.content, find('moved')?.content);
  assert.deepEqual(find('f'), { ...bottom.entries?.[0]?.inode, uid: 7 });
  assert.deepEqual(shown(stacked), [
    'f',
    'moved',
    'new',
    'new/inside',
    'new/more',
    'sub',
    'sub/b',
    'sub/b/x',
  ]);
});
