/**
 * Finds paths in a tree as the kernel would with the image as its root: symlinks are followed inside the
 * image, `..` stops at the root. Pure. Names inside this folder are texts whose every character is a byte.
 */
import { type Inode, NAME_SIZE_MAX, S_IFDIR, S_IFMT } from '../tree.ts';
import { refused } from './refused.ts';

/** As Linux counts (path_resolution(7)). */
const LINKS_MAX = 40;

/** Something that is there. */
export interface Place {
  /** Names from the root to it, free of links, `.` and `..`. */
  readonly names: readonly string[];
  readonly inode: Inode;
}

/** A name in a directory, whether or not it is taken. */
export interface Slot {
  readonly folder: Place;
  readonly name: string;
  /** What has the name now. */
  readonly inode: Inode | undefined;
}

export function isDirectory({ mode }: Inode): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

export function toBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Path of a place, from the root. */
export function pathOf(names: readonly string[]): string {
  return `/${names.join('/')}`;
}

/** Position of a name among sorted entries: where it is, or where it would be. */
export function positionOf(entries: NonNullable<Inode['entries']>, name: Uint8Array): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = entries[middle]?.name as Uint8Array;
    if (Buffer.compare(found, name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function childOf(folder: Inode, name: string): Inode | undefined {
  const bytes = toBytes(name);
  const entries = folder.entries ?? [];
  const entry = entries[positionOf(entries, bytes)];
  return entry !== undefined && Buffer.compare(entry.name, bytes) === 0 ? entry.inode : undefined;
}

/**
 * Finds what a path names.
 *
 * @param options `followLast`: whether a link at its end stands for its target
 * @throws ERR_NO_INPUT when there is none
 */
export function findPlace(
  root: Inode,
  path: Uint8Array,
  options: { readonly followLast: boolean },
): Place {
  const place = walk(root, path, namesOf(path), options.followLast || endsWithSlash(path));
  if (place === undefined) throw refused('ENOENT', toText(path));
  return place;
}

/** As {@link findPlace}, `undefined` when the last name, or one before it, is not there. */
export function lookUp(
  root: Inode,
  path: Uint8Array,
  options: { readonly followLast: boolean },
): Place | undefined {
  return walk(root, path, namesOf(path), options.followLast);
}

/**
 * Finds the directory that a path's last name is in, or would be in.
 *
 * @throws ERR_NO_INPUT when there is no such directory, ERR_CREATE for the root or an impossible name
 */
export function findSlot(root: Inode, path: Uint8Array): Slot {
  const names = namesOf(path);
  const last = names.at(-1);
  if (last === undefined || last === '..') {
    const { names: known } = findPlace(root, path, { followLast: true });
    const name = known.at(-1);
    if (name === undefined) throw refused('EBUSY', toText(path));
    return findSlot(root, toBytes(pathOf(known)));
  }
  if (last.length > NAME_SIZE_MAX || last.includes('\0')) {
    throw refused('ENAMETOOLONG', toText(path));
  }
  const folder = walk(root, path, names.slice(0, -1), true);
  const shown = names.slice(0, -1).join('/');
  if (folder === undefined) throw refused('ENOENT', `/${shown}`);
  if (!isDirectory(folder.inode)) throw refused('ENOTDIR', `/${shown}`);
  return { folder, name: last, inode: childOf(folder.inode, last) };
}

function walk(
  root: Inode,
  path: Uint8Array,
  names: readonly string[],
  followLast: boolean,
): Place | undefined {
  const todo = [...names].reverse();
  const trail: { name: string; inode: Inode }[] = [];
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const folder = trail.at(-1)?.inode ?? root;
    if (!isDirectory(folder)) throw refused('ENOTDIR', pathOf(trail.map((step) => step.name)));
    if (name === '..') {
      trail.pop();
      continue;
    }
    const inode = childOf(folder, name);
    if (inode === undefined) return undefined;
    if (inode.target === undefined || (todo.length === 0 && !followLast)) {
      trail.push({ name, inode });
      continue;
    }
    if (++links > LINKS_MAX) throw refused('ELOOP', toText(path));
    const target = toText(inode.target);
    if (target.startsWith('/')) trail.length = 0;
    todo.push(...splitPath(target).reverse());
  }
  return { names: trail.map((step) => step.name), inode: trail.at(-1)?.inode ?? root };
}

function namesOf(path: Uint8Array): string[] {
  return splitPath(toText(path));
}

function splitPath(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function endsWithSlash(path: Uint8Array): boolean {
  return path.at(-1) === 0x2f;
}
