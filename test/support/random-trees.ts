/** Small random trees over few names, so that several of them overlap. */
import fc from 'fast-check';
import type { Inode } from '../../src/format/tree.ts';
import { directory, file, symlink } from './flist-trees.ts';

const NAMES = ['a', 'b', 'c', '\0\xff'];

/** Kinds of leaves: `mixed` trees may have a file where another has a directory. */
export type Shape = 'mixed' | 'uniform';

function treeOf(depth: number, shape: Shape): fc.Arbitrary<Inode> {
  const leaf = fc.oneof(
    fc.string({ minLength: 1, maxLength: 3 }).map((text) => file(text)),
    fc.constantFrom('a', 'b/c', '/c').map((target) => symlink(target)),
  );
  const below = depth === 0 ? undefined : treeOf(depth - 1, shape);
  // In uniform trees the name alone says whether something is a directory.
  const child = (name: string): fc.Arbitrary<Inode> => {
    if (below === undefined) return leaf;
    if (shape === 'mixed') return fc.oneof(leaf, below);
    return name === 'a' || name === 'b' ? below : leaf;
  };
  const names =
    shape === 'uniform' && below === undefined
      ? NAMES.filter((n) => !['a', 'b'].includes(n))
      : NAMES;
  const children = Object.fromEntries(
    names.map((name) => [name, fc.option(child(name), { nil: undefined, freq: 2 })]),
  );
  return fc.tuple(fc.record(children), fc.constantFrom(0o40755, 0o40700)).map(([record, mode]) => {
    const present = Object.entries(record).filter(([, inode]) => inode !== undefined);
    return directory(Object.fromEntries(present) as Record<string, Inode>, { mode });
  });
}

export function randomTree(shape: Shape): fc.Arbitrary<Inode> {
  return treeOf(3, shape);
}
