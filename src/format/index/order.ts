/**
 * Tree order: numbers the inodes of a tree breadth first, finds hard links, and refuses what is no
 * tree or what no file system could show. Pure; walks without recursion, however deep the tree.
 */
import { compareBytes } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import { type Inode, S_IFDIR, S_IFMT, TARGET_SIZE_MAX } from '../tree.ts';
import { isEntryName } from './directory.ts';
import { DEVICE_MAJOR_MAX, DEVICE_MINOR_MAX, fileTypeOf } from './erofs-format.ts';

const ID_MAX = 0xffffffff;
const NANOSECONDS_MAX = 999_999_999;

/** A tree as arrays that are indexed by inode index: the position in tree order, the root is 0. */
export interface TreeOrder {
  readonly inodes: readonly Inode[];
  readonly nlink: Uint32Array;
  /** Index of the directory that holds a directory; the root holds itself. */
  readonly parent: Uint32Array;
  /** Where a directory's children begin in {@link children}. */
  readonly firstChild: Uint32Array;
  /** Inode indexes of all directory entries, directory by directory. */
  readonly children: Uint32Array;
}

/** @throws ERR_FLIST_FORMAT when the tree cannot be stored */
export function orderTree(root: Inode): TreeOrder {
  const inodes: Inode[] = [root];
  const indexes = new Map<Inode, number>([[root, 0]]);
  const nlink: number[] = [2];
  const parent: number[] = [0];
  const firstChild: number[] = [];
  const children: number[] = [];
  if (!isDirectory(root)) throw invalid('The root is no directory');
  for (let i = 0; i < inodes.length; i++) {
    const inode = inodes[i] as Inode;
    checkInode(inode);
    firstChild.push(children.length);
    if (!isDirectory(inode)) continue;
    const entries = inode.entries ?? [];
    for (let j = 0; j < entries.length; j++) {
      const { name, inode: child } = entries[j] as { name: Uint8Array; inode: Inode };
      checkName(name, j > 0 ? entries[j - 1]?.name : undefined);
      let index = indexes.get(child);
      if (index === undefined) {
        index = inodes.length;
        indexes.set(child, index);
        inodes.push(child);
        nlink.push(isDirectory(child) ? 2 : 1);
        parent.push(i);
        if (isDirectory(child)) (nlink[i] as number)++;
      } else {
        if (isDirectory(child)) throw invalid(`Directory ${printable(name)} has two names`);
        (nlink[index] as number)++;
      }
      children.push(index);
    }
  }
  return {
    inodes,
    nlink: new Uint32Array(nlink),
    parent: new Uint32Array(parent),
    firstChild: new Uint32Array(firstChild),
    children: new Uint32Array(children),
  };
}

export function isDirectory(inode: Inode): boolean {
  return (inode.mode & S_IFMT) === S_IFDIR;
}

function checkName(name: Uint8Array, previous: Uint8Array | undefined): void {
  if (!isEntryName(name)) throw invalid(`Name ${printable(name)} is not allowed`);
  if (previous !== undefined && compareBytes(previous, name) >= 0) {
    throw invalid(`Name ${printable(name)} is out of order or occurs twice`);
  }
}

function checkInode(inode: Inode): void {
  const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, size } = inode;
  const type = fileTypeOf(mode);
  if (type === undefined || !isBetween(mode, 0, 0xffff)) throw invalid(`Mode ${mode} is unknown`);
  if (!isBetween(uid, 0, ID_MAX) || !isBetween(gid, 0, ID_MAX)) {
    throw invalid(`Owner ${uid}:${gid} is out of range`);
  }
  if (!Number.isSafeInteger(mtimeSeconds) || !isBetween(mtimeNanoseconds, 0, NANOSECONDS_MAX)) {
    throw invalid(`Time ${mtimeSeconds}.${mtimeNanoseconds} is out of range`);
  }
  if (type === 'file' && !isBetween(size, 0, Number.MAX_SAFE_INTEGER)) {
    throw invalid(`File size ${size} is out of range`);
  }
  if (type === 'symlink') checkTarget(inode.target);
  if (type === 'character-device' || type === 'block-device') {
    const { rdevMajor = 0, rdevMinor = 0 } = inode;
    if (!isBetween(rdevMajor, 0, DEVICE_MAJOR_MAX) || !isBetween(rdevMinor, 0, DEVICE_MINOR_MAX)) {
      throw invalid(`Device number ${rdevMajor}:${rdevMinor} is out of range`);
    }
  }
}

function checkTarget(target: Uint8Array | undefined): void {
  const size = target?.length ?? 0;
  if (size === 0 || size > TARGET_SIZE_MAX || target?.includes(0)) {
    throw invalid(`Symbolic link target of ${size} bytes is not allowed`);
  }
}

function isBetween(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function printable(name: Uint8Array): string {
  return JSON.stringify(Buffer.from(name).toString('latin1'));
}

function invalid(message: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', message);
}
