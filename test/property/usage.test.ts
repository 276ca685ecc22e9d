/** Random trees: what `imageUsage()` says of each folder, beside a count that takes its time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CODEC } from '../../src/base/codec.ts';
import type { Chunk } from '../../src/format/content.ts';
import { buildMountIndex } from '../../src/format/index/writer.ts';
import type { Inode } from '../../src/format/tree.ts';
import { imageUsage } from '../../src/image/usage.ts';
import {
  chunkOf,
  contentOf,
  directory,
  file,
  filesOf,
  HOLE,
  openIndex,
} from '../support/index-trees.ts';
import { amount } from '../support/thorough.ts';

const BLOCK = 512 * 1024;
const CHUNKS: readonly Chunk[] = [
  HOLE,
  ...Array.from({ length: 9 }, (_, i) => ({ ...chunkOf(`chunk ${i}`), storedSize: 2 ** i })),
];

const chunks = fc.array(fc.nat(CHUNKS.length - 1), { maxLength: 4 });
const leaf = chunks.map((list) =>
  file('', list.length * BLOCK, {
    content: contentOf(
      '',
      list.length * BLOCK,
      list.map((i) => CHUNKS[i] as Chunk),
    ),
  }),
);
const { node } = fc.letrec<{ node: Inode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    leaf,
    fc.array(tie('node'), { maxLength: 4 }).map(folderOf),
  ),
}));
/** Some files get more names all over the tree. */
const tree = fc
  .tuple(fc.array(node, { maxLength: 5 }).map(folderOf), fc.array(fc.tuple(fc.nat(), fc.nat())))
  .map(([root, links]) => linked(root, links));

function folderOf(children: readonly Inode[]): Inode {
  return directory(Object.fromEntries(children.map((child, i) => [`n${i}`, child])));
}

function linked(root: Inode, links: readonly [number, number][]): Inode {
  const folders: Inode[] = [];
  const files: Inode[] = [];
  const visit = (inode: Inode): void => {
    (inode.entries === undefined ? files : folders).push(inode);
    for (const entry of inode.entries ?? []) visit(entry.inode);
  };
  visit(root);
  for (const [i, [where, which]] of links.entries()) {
    const inode = files[which % Math.max(1, files.length)];
    const folder = folders[where % folders.length] as unknown as { entries: unknown[] };
    const name = Buffer.from(`z${String(i).padStart(3, '0')}`);
    if (inode !== undefined) folder.entries.push({ name, inode });
  }
  return root;
}

interface Sums {
  size: number;
  stored: number;
  unique: number;
  shared: number;
  entries: number;
}

/** Everything below each path, looked up again for each. */
function slowUsage(root: Inode, others: ReadonlySet<string>): Map<string, Sums> {
  const all: [path: string, inode: Inode][] = [];
  const visit = (path: string, inode: Inode): void => {
    all.push([path, inode]);
    for (const { name, inode: child } of inode.entries ?? []) {
      visit(`${path}/${Buffer.from(name).toString()}`, child);
    }
  };
  visit('', root);
  const ids = (inode: Inode): Map<string, number> =>
    new Map(
      (inode.content?.chunks ?? [])
        .filter(({ codec }) => codec !== CODEC.hole)
        .map(({ id, storedSize }) => [Buffer.from(id).toString('hex'), storedSize]),
    );
  const dataBytes = (inode: Inode): number =>
    (inode.content?.chunks ?? []).filter(({ codec }) => codec !== CODEC.hole).length * BLOCK;
  const sums = new Map<string, Sums>();
  for (const [top] of all) {
    const isBelow = (path: string): boolean => path === top || path.startsWith(`${top}/`);
    const below = all.filter(([path]) => isBelow(path));
    const inside = new Map(below.flatMap(([, inode]) => [...ids(inode)]));
    const outside = new Set(others);
    for (const [path, inode] of all) {
      if (!isBelow(path)) for (const id of ids(inode).keys()) outside.add(id);
    }
    const sum = (isWanted: (id: string) => boolean): number =>
      [...inside].filter(([id]) => isWanted(id)).reduce((total, [, size]) => total + size, 0);
    const inodes = new Set(below.map(([, inode]) => inode));
    sums.set(top === '' ? '/' : top, {
      size: [...inodes].reduce((total, inode) => total + dataBytes(inode), 0),
      stored: sum(() => true),
      unique: sum((id) => !outside.has(id)),
      shared: sum((id) => others.has(id)),
      entries: below.length,
    });
  }
  return sums;
}

test('imageUsage() agrees with a slow count for every folder and file', async () => {
  await fc.assert(
    fc.asyncProperty(tree, leaf, async (root, other) => {
      const image = openIndex(filesOf(buildMountIndex(root)));
      const against = [openIndex(filesOf(buildMountIndex(directory({ other }))))];
      const otherIds = new Set(
        (other.content?.chunks ?? []).map(({ id }) => Buffer.from(id).toString('hex')),
      );
      otherIds.delete('');
      const expected = slowUsage(root, otherIds);
      const start = { nid: image.index.root(), path: Buffer.from('/') };
      const seen = new Map<string, Sums>();
      for await (const row of imageUsage(image, [start], { against, withFiles: true })) {
        const { path, size, stored, unique, shared, entries } = row;
        seen.set(Buffer.from(path).toString(), { size, stored, unique, shared, entries });
      }
      const sorted = (map: Map<string, Sums>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(sorted(seen), sorted(expected));
    }),
    { numRuns: amount(75, 300) },
  );
});
