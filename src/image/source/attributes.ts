/** Changes to a tree that every source can have: one owner, one time, entries left out. */

import type { MutableInode } from '../../format/layer/node.ts';
import { isDirectory } from '../../format/layer/node.ts';
import type { Dentry, Inode } from '../../format/tree.ts';
import type { PathMatcher } from '../glob.ts';

export interface Overrides {
  /** Replaces every owner. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Replaces every modification time, seconds since 1970. */
  readonly mtimeSeconds?: number | undefined;
}

/** Changes the inodes of the tree as they are. */
export function overrideAttributes(root: Inode, { owner, mtimeSeconds }: Overrides): void {
  if (owner === undefined && mtimeSeconds === undefined) return;
  const todo: Inode[] = [root];
  for (let inode = todo.pop(); inode !== undefined; inode = todo.pop()) {
    const changed: MutableInode = inode;
    if (owner !== undefined) Object.assign(changed, { uid: owner.uid, gid: owner.gid });
    if (mtimeSeconds !== undefined) Object.assign(changed, { mtimeSeconds, mtimeNanoseconds: 0 });
    for (const { inode: child } of inode.entries ?? []) todo.push(child);
  }
}

/**
 * Takes entries out of the tree.
 *
 * @returns the number of names that are left, the root included
 */
export function excludeEntries(root: Inode, exclude: PathMatcher | undefined): number {
  let count = 1;
  const todo: { inode: MutableInode; path: string }[] = [{ inode: root, path: '' }];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    const { inode, path } = folder;
    const kept: Dentry[] = [];
    for (const entry of inode.entries ?? []) {
      const name = Buffer.from(entry.name).toString();
      const full = path === '' ? name : `${path}/${name}`;
      const isFolder = isDirectory(entry.inode);
      if (exclude?.(full, isFolder) === true) continue;
      kept.push(entry);
      if (isFolder) todo.push({ inode: entry.inode, path: full });
    }
    count += kept.length;
    if (exclude !== undefined) inode.entries = kept;
  }
  return count;
}
