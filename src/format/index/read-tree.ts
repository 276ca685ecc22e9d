/** The tree that a mount index holds, as plain values. An index may come from anywhere: all of it is checked. Pure. */
import { G8Error } from '../../base/errors.ts';
import type { Content } from '../content.ts';
import type { Dentry, Inode } from '../tree.ts';
import type { ContentsReader } from './contents-reader.ts';
import type { IndexInode, MountIndexReader } from './reader.ts';
import type { WalkEntry } from './walk.ts';

/**
 * @param check called once for each inode, for what a caller does not take
 * @returns the tree without what its files contain, and for each file that has a content its row, from 1
 * @throws ERR_FLIST_FORMAT for a broken index; what `check` throws
 */
export function readIndexTree(
  index: MountIndexReader,
  contents: ContentsReader,
  check: (entry: WalkEntry) => void = () => {},
): { root: Inode; rows: Map<Inode, number> } {
  const inodes = new Map<number, Inode & { readonly entries?: Dentry[] }>();
  const rows = new Map<Inode, number>();
  /** Folders from the root down to where the walk is. */
  const folders: Dentry[][] = [];
  let root: Inode | undefined;
  for (const entry of index.walk()) {
    const { name, nid, type, depth, inode: found } = entry;
    let inode = inodes.get(nid);
    if (inode === undefined) {
      check(entry);
      inode = toInode(index, found);
      inodes.set(nid, inode);
      if (type === 'file' && found.size > 0) rows.set(inode, rowOf(contents, found));
    }
    root ??= inode;
    if (depth > 0) folders[depth - 1]?.push({ name, inode });
    if (inode.entries !== undefined) folders[depth] = inode.entries;
  }
  return { root: root as Inode, rows };
}

/** The same with what its files contain. @throws ERR_FLIST_FORMAT */
export function readWholeTree(index: MountIndexReader, contents: ContentsReader): Inode {
  const { root, rows } = readIndexTree(index, contents);
  // Nobody has seen these objects yet.
  for (const [inode, row] of rows as Map<{ content?: Content }, number>) {
    inode.content = contents.toContent(row - 1);
  }
  return root;
}

function toInode(index: MountIndexReader, found: IndexInode): Inode & { entries?: Dentry[] } {
  const { nid, type, mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = found;
  const { rdevMajor, rdevMinor } = found;
  const xattrs = index.xattrs(nid);
  return {
    mode,
    uid,
    gid,
    mtimeSeconds,
    mtimeNanoseconds,
    size: type === 'file' ? found.size : 0,
    ...(type === 'character-device' || type === 'block-device' ? { rdevMajor, rdevMinor } : {}),
    ...(type === 'symlink' ? { target: index.readlink(nid) } : {}),
    ...(type === 'directory' ? { entries: [] } : {}),
    ...(xattrs.length > 0 ? { xattrs } : {}),
  };
}

function rowOf(contents: ContentsReader, { ino, size }: IndexInode): number {
  const row = contents.contentOf(ino);
  if (row === undefined || contents.content(row).size !== size) {
    throw new G8Error('ERR_FLIST_FORMAT', `Inode ${ino} has a content of another size`);
  }
  return row + 1;
}
