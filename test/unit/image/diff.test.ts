import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { type Inode, S_IFCHR } from '../../../src/format/tree.ts';
import type { DiffField } from '../../../src/image/compare.ts';
import { type DiffOptions, ImageDiff } from '../../../src/image/diff.ts';
import {
  chunkOf,
  contentOf,
  directory,
  file,
  filesOf,
  inode,
  latin1,
  openIndex,
  symlink,
} from '../../support/index-trees.ts';

const BLOCK = 512 * 1024;

async function diff(a: Inode, b: Inode, options: DiffOptions = {}) {
  const [one, two] = [a, b].map((tree) => openIndex(filesOf(buildMountIndex(tree))));
  const run = new ImageDiff(one!, two!, options);
  const lines: string[] = [];
  for await (const change of run.changes()) {
    const path = Buffer.from(change.path).toString('latin1');
    const fields = change.kind === 'changed' ? ` ${change.differences.fields.join()}` : '';
    lines.push(`${change.kind} ${path}${fields}`);
  }
  return { lines, summary: run.summary };
}

test('equal images have no changes and nothing to fetch', async () => {
  const tree = directory({ a: file('a', 5), d: directory({ l: symlink('a') }) });
  const { lines, summary } = await diff(tree, tree);
  assert.deepEqual(lines, []);
  assert.deepEqual([summary.same, summary.chunks, summary.newBytes], [4, 0, 0]);
});

test('changes come in order, subtrees in whole', async () => {
  const a = directory({ a: file('a', 1), gone: directory({ x: file('x', 2) }), z: file('z', 3) });
  const b = directory({ b: directory({ y: file('y', 4), w: directory({}) }), z: file('z', 3) });
  const { lines, summary } = await diff(a, b, { ignored: new Set<DiffField>(['links']) });
  assert.deepEqual(lines, [
    'removed /a',
    'added /b',
    'added /b/w',
    'added /b/y',
    'removed /gone',
    'removed /gone/x',
  ]);
  assert.deepEqual([summary.added, summary.removed, summary.same], [3, 3, 2]);
  assert.deepEqual([summary.newBytes, summary.oldBytes], [4, 3]);
});

test('names are ordered as bytes, whatever follows them', async () => {
  const a = directory({ 'a-b': file('1', 1), a: directory({ c: file('2', 1) }) });
  const b = directory({ a: directory({}), 'a.b': file('3', 1), '\xff': file('4', 1) });
  const { lines } = await diff(a, b);
  assert.deepEqual(lines, ['removed /a/c', 'removed /a-b', 'added /a.b', 'added /\xff']);
});

const cases: [DiffField, Inode, Inode][] = [
  ['mode', file('a', 1), file('a', 1, { permissions: 0o600 })],
  ['owner', file('a', 1), file('a', 1, { gid: 7 })],
  ['mtime', file('a', 1), file('a', 1, { mtimeNanoseconds: 1 })],
  ['target', symlink('a'), symlink('b')],
  ['xattrs', file('a', 1, { xattrs: { 'user.a': '1' } }), file('a', 1)],
  ['device', inode(S_IFCHR, { rdevMajor: 1 }), inode(S_IFCHR, { rdevMajor: 2 })],
  ['content', file('a', 5), file('b', 5)],
];
for (const [field, before, after] of cases) {
  test(`a change of ${field} is told, unless it is ignored`, async () => {
    const trees = [directory({ f: before }), directory({ f: after })] as const;
    assert.deepEqual((await diff(...trees)).lines, [`changed /f ${field}`]);
    const ignored = new Set([field]);
    assert.deepEqual((await diff(...trees, { ignored })).lines, []);
  });
}

test('permissions of symlinks do not count, sizes and contents of files do', async () => {
  const a = directory({ f: file('a', 1), l: symlink('x', { permissions: 0o755 }) });
  const b = directory({ f: file('b', 2), l: symlink('x') });
  assert.deepEqual((await diff(a, b)).lines, ['changed /f size,content']);
});

test('an entry of another type takes what was below it away', async () => {
  const a = directory({ x: directory({ y: file('y', 2) }) });
  const b = directory({ x: file('x', 3, { permissions: 0o755 }) });
  const down = await diff(a, b);
  assert.deepEqual(down.lines, ['changed /x type', 'removed /x/y']);
  assert.deepEqual([down.summary.newBytes, down.summary.oldBytes], [3, 2]);
  assert.deepEqual((await diff(b, a)).lines, ['changed /x type', 'added /x/y']);
});

test('names of a hard link are compared by their number', async () => {
  const linked = file('a', 1);
  const { lines } = await diff(
    directory({ a: linked, b: linked }),
    directory({ a: file('a', 1), b: file('a', 1) }),
  );
  assert.deepEqual(lines, ['changed /a links', 'changed /b links']);
});

test('attributes that differ are named', async () => {
  const xattrs = { 'user.a': '1', 'user.b': '2', 'user.c': '3' };
  const more = { 'user.a': '1', 'user.b': 'x', 'user.d': '4' };
  const [one, two] = [xattrs, more].map((list) =>
    openIndex(filesOf(buildMountIndex(directory({ f: file('f', 1, { xattrs: list }) })))),
  );
  const changes = [];
  for await (const change of new ImageDiff(one!, two!).changes()) changes.push(change);
  assert.equal(changes.length, 1);
  const [change] = changes;
  assert.ok(change?.kind === 'changed');
  assert.deepEqual(change.differences.xattrs, ['user.b', 'user.c', 'user.d'].map(latin1));
});

test('chunks to fetch are those that no content of the first image has, each once', async () => {
  const shared = chunkOf('shared');
  const a = directory({
    x: file('x', 2 * BLOCK, { content: contentOf('x', 2 * BLOCK, [shared, chunkOf('1')]) }),
  });
  const b = directory({
    x: file('x', 2 * BLOCK, { content: contentOf('x', 2 * BLOCK, [shared, chunkOf('2')]) }),
    y: file('y', 3 * BLOCK, {
      content: contentOf('y', 3 * BLOCK, [chunkOf('2'), chunkOf('3'), shared]),
    }),
  });
  const { summary } = await diff(a, b);
  assert.deepEqual([summary.chunks, summary.chunkBytes], [2, 14]);
});

test('only what is below a path is compared', async () => {
  const a = directory({ d: directory({ x: file('x', 1) }), e: file('e', 1) });
  const b = directory({ d: directory({ x: file('y', 1) }), e: file('f', 1) });
  const path = latin1('/d');
  const { lines, summary } = await diff(a, b, { path });
  assert.deepEqual(lines, ['changed /d/x content']);
  assert.equal(summary.chunks, 1);
  assert.deepEqual((await diff(a, directory({}), { path })).lines, ['removed /d', 'removed /d/x']);
});

test('a signal ends the comparison', async () => {
  const names = Array.from({ length: 5000 }, (_, i) => [String(i), symlink('x')] as const);
  const tree = directory(new Map(names));
  const signal = AbortSignal.abort();
  await assert.rejects(diff(tree, tree, { signal }), (error) => isG8Error(error, 'ERR_ABORTED'));
});
