/**
 * Changes of names in a tree. Pure: each call gives a new root that shares with the old one whatever is
 * the same, or the old root itself when nothing is to be changed. Directories keep their times: an edit
 * changes what it names and nothing else.
 */
import { TREE_DEPTH_MAX } from '../flist/read-tree.ts';
import { type Dentry, type Inode, S_IFLNK, TARGET_SIZE_MAX } from '../tree.ts';
import {
  childOf,
  findPlace,
  findSlot,
  isDirectory,
  lookUp,
  pathOf,
  positionOf,
  type Slot,
  toBytes,
  toText,
} from './place.ts';
import { refused } from './refused.ts';

/** What new inodes get when nobody says otherwise. */
export interface Birth {
  /** Permissions, setuid, setgid and sticky. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
}

/**
 * The tree with another inode under a name, or without the name.
 *
 * @param folder names of a directory, free of links
 * @throws ERR_CREATE when it is too deep
 */
export function withEntry(
  root: Inode,
  folder: readonly string[],
  name: string,
  inode: Inode | undefined,
): Inode {
  if (folder.length >= TREE_DEPTH_MAX) throw refused('EMLINK', pathOf([...folder, name]));
  const directories = [root];
  for (const step of folder) {
    const child = childOf(directories.at(-1) as Inode, step);
    if (child === undefined || !isDirectory(child)) throw new TypeError('no place of this tree');
    directories.push(child);
  }
  let changed = inode;
  for (let i = folder.length; i >= 0; i--) {
    const directory = directories[i] as Inode;
    const key = i === folder.length ? name : (folder[i] as string);
    changed = { ...directory, entries: replaced(directory.entries ?? [], key, changed) };
  }
  return changed as Inode;
}

function replaced(entries: readonly Dentry[], name: string, inode: Inode | undefined): Dentry[] {
  const bytes = toBytes(name);
  const at = positionOf(entries, bytes);
  const known = entries[at];
  const count = known !== undefined && Buffer.compare(known.name, bytes) === 0 ? 1 : 0;
  const added = inode === undefined ? [] : [{ name: bytes, inode }];
  return [...entries.slice(0, at), ...added, ...entries.slice(at + count)];
}

/**
 * Where something with that name goes when `path` is given as its new place: into the directory that is
 * there, or to the path itself.
 *
 * @throws ERR_NO_INPUT when the path asks for a directory that is not there
 */
export function destination(root: Inode, path: Uint8Array, name: string | undefined): Slot {
  const found = lookUp(root, path, { followLast: true });
  if (found !== undefined && isDirectory(found.inode)) {
    if (name === undefined) throw refused('EISDIR', toText(path));
    return findSlot(root, toBytes(pathOf([...found.names, name])));
  }
  if (path.at(-1) === 0x2f) throw refused(found ? 'ENOTDIR' : 'ENOENT', toText(path));
  return findSlot(root, path);
}

/** Puts an inode that is no directory to a place; only a directory is not replaced. */
export function putInode(root: Inode, slot: Slot, inode: Inode): Inode {
  if (slot.inode !== undefined && isDirectory(slot.inode)) throw refused('EISDIR', slotPath(slot));
  return withEntry(root, slot.folder.names, slot.name, inode);
}

/**
 * Makes a directory.
 *
 * @param options `parents`: makes those that are missing on the way, and takes one that is there
 * @throws ERR_CREATE when the name is taken, ERR_NO_INPUT without its parent
 */
export function makeDirectory(
  root: Inode,
  path: Uint8Array,
  birth: Birth,
  options: { readonly parents?: boolean } = {},
): Inode {
  if (options.parents !== true) {
    const slot = slotOf(root, path);
    if (slot?.inode !== undefined || slot === undefined) throw refused('EEXIST', toText(path));
    return withEntry(root, slot.folder.names, slot.name, newDirectory(birth));
  }
  const text = toText(path);
  let changed = root;
  for (const match of text.matchAll(/[^/]+/g)) {
    const end = match.index + match[0].length;
    const part = toBytes(text.slice(0, end));
    const known = lookUp(changed, part, { followLast: true });
    if (known !== undefined) {
      if (isDirectory(known.inode)) continue;
      throw refused(end === text.length ? 'EEXIST' : 'ENOTDIR', text.slice(0, end));
    }
    const slot = findSlot(changed, part);
    // A link that leads nowhere is not made a directory of.
    if (slot.inode !== undefined) throw refused('EEXIST', text.slice(0, end));
    const isLast = !/[^/]/.test(text.slice(end));
    const permissions = isLast ? birth.permissions : 0o755;
    const made = newDirectory({ ...birth, permissions });
    changed = withEntry(changed, slot.folder.names, slot.name, made);
  }
  return changed;
}

export function newDirectory({ permissions, ...rest }: Birth): Inode {
  return { ...rest, mode: 0o040000 | permissions, size: 0, entries: [] };
}

/** The name that a path ends with, `undefined` when that is the root. */
function slotOf(root: Inode, path: Uint8Array): Slot | undefined {
  const found = lookUp(root, path, { followLast: false });
  return found?.names.length === 0 ? undefined : findSlot(root, path);
}

/**
 * Takes a name away.
 *
 * @param options `directories`: which of them may go: none, empty ones, or any with all that is in it
 * @throws ERR_NO_INPUT when it is not there
 */
export function removeEntry(
  root: Inode,
  path: Uint8Array,
  options: { readonly directories: 'none' | 'empty' | 'all' | 'only-empty' },
): Inode {
  const { folder, name, inode } = findSlot(root, path);
  if (inode === undefined) throw refused('ENOENT', toText(path));
  const { directories } = options;
  if (isDirectory(inode)) {
    if (directories === 'none') throw refused('EISDIR', toText(path));
    if (directories !== 'all' && inode.entries?.length) throw refused('ENOTEMPTY', toText(path));
  } else if (directories === 'only-empty') {
    throw refused('ENOTDIR', toText(path));
  }
  return withEntry(root, folder.names, name, undefined);
}

/**
 * Gives something another name, as rename(2) does: what has it already is replaced, a directory only by a
 * directory and when it is empty.
 *
 * @throws ERR_NO_INPUT, ERR_CREATE
 */
export function moveEntry(root: Inode, from: Slot, to: Slot): Inode {
  const { inode } = from;
  if (inode === undefined) throw refused('ENOENT', slotPath(from));
  const [source, target] = [slotPath(from), slotPath(to)];
  if (source === target) return root;
  if (isDirectory(inode)) {
    if (target.startsWith(`${source}/`)) throw refused('EINVAL', source);
    if (to.inode !== undefined && !isDirectory(to.inode)) throw refused('ENOTDIR', target);
    if (to.inode?.entries?.length) throw refused('ENOTEMPTY', target);
  } else if (to.inode !== undefined && isDirectory(to.inode)) {
    throw refused('EISDIR', target);
  }
  if (source.startsWith(`${target}/`)) throw refused('ENOTEMPTY', target);
  const without = withEntry(root, from.folder.names, from.name, undefined);
  return withEntry(without, to.folder.names, to.name, inode);
}

/**
 * Gives an inode one more name; both share it from then on.
 *
 * @param options `replace`: whether the new name may be taken; never by a directory
 * @throws ERR_NO_INPUT, ERR_CREATE when the name is taken or the target is a directory
 */
export function linkEntry(
  root: Inode,
  target: Uint8Array,
  to: Slot,
  options: { readonly replace?: boolean } = {},
): Inode {
  const { inode } = findPlace(root, target, { followLast: false });
  if (isDirectory(inode)) throw refused('EISDIR', toText(target));
  if (to.inode === inode) return root;
  if (to.inode !== undefined && options.replace !== true) throw refused('EEXIST', slotPath(to));
  return putInode(root, to, inode);
}

/**
 * Makes a symlink. Its target need not be there.
 *
 * @throws ERR_CREATE when the name is taken or the target is none
 */
export function symlinkEntry(
  root: Inode,
  target: Uint8Array,
  to: Slot,
  birth: Omit<Birth, 'permissions'>,
  options: { readonly replace?: boolean } = {},
): Inode {
  if (target.length === 0 || target.length > TARGET_SIZE_MAX || target.includes(0)) {
    throw refused('ENAMETOOLONG', toText(target));
  }
  if (to.inode !== undefined && options.replace !== true) throw refused('EEXIST', slotPath(to));
  return putInode(root, to, { ...birth, mode: S_IFLNK | 0o777, size: 0, target });
}

export function slotPath({ folder, name }: Slot): string {
  return pathOf([...folder.names, name]);
}
