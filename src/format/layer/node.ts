/**
 * A tree that can still change: names of a directory in a map, each with the layer it came from. What is
 * below is in no order until {@link freeze}. Pure.
 */
import { compareBytes } from '../../base/bytes.ts';
import { type Dentry, type Inode, S_IFDIR, S_IFMT } from '../tree.ts';

export type MutableInode = { -readonly [K in keyof Inode]: Inode[K] };

/** One name. Hard links are nodes that share an inode. */
export interface Node {
  inode: MutableInode;
  /** Number of the layer that says what this name is. */
  layer: number;
  /** Number of the last layer that has said anything of this name or of one below it. */
  touched: number;
  /** Known, so that links to it work, but not part of the image. */
  readonly isExcluded: boolean;
  /** Directories only; each byte of a name is a character. */
  children: Map<string, Node> | undefined;
}

/** Attributes of a directory that no entry describes. */
export function impliedDirectory(): MutableInode {
  return { mode: S_IFDIR | 0o755, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, size: 0 };
}

export function isDirectory({ mode }: Inode): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

/**
 * Takes away what lower layers have put below a directory; what this layer has put there stays, and
 * directories that it needs for that forget what lower layers said of them.
 */
export function removeLower(directory: Node, layer: number): void {
  const todo = [directory];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    for (const [name, child] of node.children ?? []) {
      if (child.touched < layer) node.children?.delete(name);
      else forgetLower(child, layer);
      if (child.touched >= layer && child.children !== undefined) todo.push(child);
    }
  }
}

/** As {@link removeLower} for the directory itself: lower layers have said nothing of it any more. */
export function forgetLower(node: Node, layer: number): void {
  if (node.layer >= layer) return;
  node.inode = impliedDirectory();
  node.layer = layer;
}

/** The tree as everybody else wants it: entries in byte order, in the inodes of the directories. */
export function freeze(root: Node): Inode {
  const todo = [root];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    const entries: Dentry[] = [];
    for (const [name, child] of node.children ?? []) {
      if (child.isExcluded) continue;
      entries.push({ name: new Uint8Array(Buffer.from(name, 'latin1')), inode: child.inode });
      if (child.children !== undefined) todo.push(child);
    }
    node.inode.entries = entries.sort((a, b) => compareBytes(a.name, b.name));
  }
  return root.inode;
}
