/** Random pairs of trees: what `ImageDiff` says of them, beside a comparison of all their paths. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../src/base/bytes.ts';
import { CODEC } from '../../src/base/codec.ts';
import type { Chunk } from '../../src/format/content.ts';
import { contentDigest } from '../../src/format/index/content-digest.ts';
import { buildMountIndex } from '../../src/format/index/writer.ts';
import type { Inode } from '../../src/format/tree.ts';
import { ImageDiff } from '../../src/image/diff.ts';
import {
  chunkOf,
  contentOf,
  directory,
  file,
  filesOf,
  HOLE,
  openIndex,
} from '../support/index-trees.ts';

const BLOCK = 512 * 1024;
const CHUNKS: readonly Chunk[] = [
  HOLE,
  ...Array.from({ length: 6 }, (_, i) => ({ ...chunkOf(`chunk ${i}`), storedSize: 2 ** i })),
];

const leaf = fc
  .tuple(fc.array(fc.nat(CHUNKS.length - 1), { maxLength: 3 }), fc.constantFrom('', 'x', 'y'))
  .map(([list, comment]) =>
    file('', list.length * BLOCK, {
      content: contentOf(
        '',
        list.length * BLOCK,
        list.map((i) => CHUNKS[i] as Chunk),
      ),
      ...(comment !== '' && { xattrs: { 'user.c': comment } }),
    }),
  );
const { node } = fc.letrec<{ node: Inode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    leaf,
    fc.array(tie('node'), { maxLength: 4 }).map(folderOf),
  ),
}));
const tree = fc.array(node, { maxLength: 4 }).map(folderOf);

function folderOf(children: readonly Inode[]): Inode {
  const names = ['a', 'a-', 'ab', '\xff'];
  return directory(Object.fromEntries(children.map((child, i) => [names[i] as string, child])));
}

function pathsOf(root: Inode): Map<string, Inode> {
  const paths = new Map<string, Inode>();
  const visit = (path: string, inode: Inode): void => {
    paths.set(path, inode);
    for (const { name, inode: child } of inode.entries ?? []) {
      visit(`${path}/${Buffer.from(name).toString('latin1')}`, child);
    }
  };
  visit('', root);
  return paths;
}

/** What of an inode counts, as a text. */
function looksOf({ mode, size, content, xattrs = [] }: Inode): string {
  const digest = content === undefined || size === 0 ? '' : toHex(contentDigest(content));
  return JSON.stringify([mode, size, digest, xattrs.map(({ value }) => toHex(value))]);
}

function chunksOf(root: Inode): Map<string, number> {
  const inodes = [...pathsOf(root).values()];
  const chunks = inodes.flatMap(({ content }) => content?.chunks ?? []);
  const stored = chunks.filter(({ codec }) => codec !== CODEC.hole);
  return new Map(stored.map(({ id, storedSize }) => [toHex(id), storedSize]));
}

test('a diff says what comparing all paths says', async () => {
  await fc.assert(
    fc.asyncProperty(tree, tree, async (a, b) => {
      const [one, two] = [a, b].map((root) => openIndex(filesOf(buildMountIndex(root))));
      const run = new ImageDiff(one!, two!);
      const found: string[] = [];
      for await (const { kind, path } of run.changes()) {
        found.push(`${kind} ${Buffer.from(path).toString('latin1').replace(/^\/$/, '')}`);
      }
      const [before, after] = [pathsOf(a), pathsOf(b)];
      const expected = [...new Set([...before.keys(), ...after.keys()])].flatMap((path) => {
        const [left, right] = [before.get(path), after.get(path)];
        if (left === undefined) return [`added ${path}`];
        if (right === undefined) return [`removed ${path}`];
        return looksOf(left) === looksOf(right) ? [] : [`changed ${path}`];
      });
      assert.deepEqual([...found].sort(), expected.sort());
      const known = chunksOf(a);
      const wanted = [...chunksOf(b)].filter(([id]) => !known.has(id));
      assert.deepEqual(
        [run.summary.chunks, run.summary.chunkBytes],
        [wanted.length, wanted.reduce((sum, [, size]) => sum + size, 0)],
      );
    }),
  );
});
