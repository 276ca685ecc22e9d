import assert from 'node:assert/strict';
import test from 'node:test';
import { compareTrees } from '../../../src/format/compare-trees.ts';
import type { Inode } from '../../../src/format/tree.ts';
import { bytes, directory, fifo, file, symlink } from '../../support/flist-trees.ts';

function differences(left: Inode, right: Inode): [string, unknown][] {
  return [...compareTrees(left, right, { chunks: true })].map(({ path, what }) => [
    Buffer.from(path).toString(),
    what,
  ]);
}

test('compareTrees() finds nothing in equal trees', () => {
  const tree = () => directory({ a: file('x'), b: directory({ c: symlink('a') }), d: fifo() });
  assert.deepEqual(differences(tree(), tree()), []);
});

test('compareTrees() names what only one tree has, but not what is in it', () => {
  const left = directory({ a: file('x'), both: file('y') });
  const right = directory({ both: file('y'), z: directory({ deep: file('z') }) });
  assert.deepEqual(differences(left, right), [
    ['/a', 'left'],
    ['/z', 'right'],
  ]);
});

test('compareTrees() names in what entries differ', () => {
  const xattrs = [{ name: bytes('user.a'), value: bytes('b') }];
  const pairs: [string, Inode, Inode][] = [
    ['type', file('x'), symlink('x')],
    ['mode', file('x'), file('x', { mode: 0o100600 })],
    ['owner', file('x'), file('x', { gid: 1 })],
    ['time', file('x'), file('x', { mtimeNanoseconds: 1 })],
    ['size', file('x'), file('xx')],
    ['content', file('x'), file('y')],
    ['target', symlink('x'), symlink('y')],
    ['attributes', file('x'), file('x', { xattrs })],
  ];
  for (const [aspect, left, right] of pairs) {
    assert.deepEqual(differences(directory({ e: left }), directory({ e: right })), [
      ['/e', [aspect]],
    ]);
  }
});

test('compareTrees() sees which names share an inode', () => {
  const shared = file('x');
  const left = directory({ a: shared, b: shared });
  const right = directory({ a: file('x'), b: file('x') });
  assert.deepEqual(differences(left, right), [['/b', ['links']]]);
  assert.deepEqual(differences(right, left), [['/b', ['links']]]);
});

test('compareTrees() sees other chunks with the same bytes when asked to', () => {
  const left = file('x');
  const chunk = left.content?.chunks[0];
  assert.ok(left.content && chunk);
  const chunks = [{ ...chunk, storedSize: 77 }];
  const right = { ...left, content: { ...left.content, chunks } };
  assert.deepEqual(differences(directory({ f: left }), directory({ f: right })), [
    ['/f', ['chunks']],
  ]);
  assert.deepEqual([...compareTrees(directory({ f: left }), directory({ f: right }))], []);
});
