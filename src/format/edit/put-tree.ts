/**
 * Puts a tree over a directory of another, as copying a folder over a folder does. Pure.
 *
 * Where the image has a symlink to a directory and the new tree a directory, what is in it goes where the
 * link leads: a package with `lib/x` must not take the link `lib` away from an image. Any other clash of
 * types is an error unless `force`, which lets the new tree win.
 */
import { mergeTrees } from '../flist/stack.ts';
import type { Inode } from '../tree.ts';
import { withEntry } from './entries.ts';
import { childOf, findPlace, isDirectory, lookUp, pathOf, toBytes, toText } from './place.ts';
import { refused } from './refused.ts';

export interface PutTreeOptions {
  /** Replaces a directory by something else, or something else by a directory. */
  readonly force?: boolean;
}

/** A part of the new tree whose place is behind a symlink of the image. */
interface Detached {
  readonly path: string;
  readonly tree: Inode;
}

/**
 * @param path of a directory that is there; it keeps its own attributes
 * @param tree a directory; those in it bring their attributes
 * @throws ERR_NO_INPUT when `path` is no directory, ERR_CREATE when types clash
 */
export function putTree(
  root: Inode,
  path: Uint8Array,
  tree: Inode,
  options: PutTreeOptions = {},
): Inode {
  let changed = root;
  const todo: Detached[] = [{ path: toText(path), tree }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { names, inode } = findPlace(changed, toBytes(next.path), { followLast: true });
    if (!isDirectory(inode)) throw refused('ENOTDIR', next.path);
    const rest = detach(changed, names, inode, next.tree, options, todo);
    const { entries } = mergeTrees([rest, inode]);
    const merged = entries === undefined ? inode : { ...inode, entries };
    const last = names.at(-1);
    changed = last === undefined ? merged : withEntry(changed, names.slice(0, -1), last, merged);
  }
  return changed;
}

/** The part of the tree that simply goes over the directory; the rest is added to `detached`. */
function detach(
  root: Inode,
  names: readonly string[],
  image: Inode,
  tree: Inode,
  { force }: PutTreeOptions,
  detached: Detached[],
): Inode {
  let rest = tree;
  const pairs = [{ path: [] as string[], image, tree }];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    for (const { name, inode } of pair.tree.entries ?? []) {
      const text = toText(name);
      const known = childOf(pair.image, text);
      if (known === undefined || (!isDirectory(known) && !isDirectory(inode))) continue;
      const path = [...pair.path, text];
      if (isDirectory(known) && isDirectory(inode)) {
        pairs.push({ path, image: known, tree: inode });
        continue;
      }
      const full = pathOf([...names, ...path]);
      if (known.target !== undefined && leadsToDirectory(root, full)) {
        rest = withEntry(rest, pair.path, text, undefined);
        detached.push({ path: full, tree: inode });
      } else if (force !== true) {
        throw refused(isDirectory(known) ? 'EISDIR' : 'EEXIST', full);
      }
    }
  }
  return rest;
}

function leadsToDirectory(root: Inode, path: string): boolean {
  const found = lookUp(root, toBytes(path), { followLast: true });
  return found !== undefined && isDirectory(found.inode);
}
