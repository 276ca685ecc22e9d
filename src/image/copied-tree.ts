/** A tree as somebody makes it who copies it without its attributes. Pure; without recursion. */
import { type Dentry, type Inode, S_IFMT } from '../format/tree.ts';

/** Whose the copies are, and when they were made. */
export interface Copier {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  readonly mtimeSeconds: number;
}

const PERMISSIONS = 0o777;

/** Names of one inode are names of one copy. */
export function copiedTree(root: Inode, copier: Copier): Inode {
  const copies = new Map<Inode, Inode>();
  const todo: { from: Inode; to: Dentry[] }[] = [];
  const copy = (inode: Inode): Inode => {
    const known = copies.get(inode);
    if (known !== undefined) return known;
    const { xattrs: _xattrs, entries, ...rest } = inode;
    const { uid, gid, umask, mtimeSeconds } = copier;
    const mode = (inode.mode & S_IFMT) | (inode.mode & PERMISSIONS & ~umask);
    const own = { mode, uid, gid, mtimeSeconds, mtimeNanoseconds: 0 };
    const to: Dentry[] = [];
    const made = { ...rest, ...own, ...(entries !== undefined && { entries: to }) };
    if (entries !== undefined) todo.push({ from: inode, to });
    copies.set(inode, made);
    return made;
  };
  const top = copy(root);
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    for (const { name, inode } of next.from.entries ?? []) {
      next.to.push({ name, inode: copy(inode) });
    }
  }
  return top;
}
