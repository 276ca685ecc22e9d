/**
 * Puts the entries of tar archives together to one tree, as unpacking them one over the other would:
 * layers from the bottom up, entries in the order of their archive. With whiteouts it follows the rules of
 * OCI layers; they hide what lower layers have, never what their own layer brings, whatever the order. Pure;
 * for one builder.
 *
 * Parents that no entry describes get mode 0755, owner 0:0 and time 0. A parent that is a symlink is
 * followed inside the tree, as whoever unpacks into a root does.
 *
 * @see OCI image-spec, layer.md
 */
import { G8Error } from '../../base/errors.ts';
import { DEVICE_MAJOR_MAX, DEVICE_MINOR_MAX } from '../index/erofs-format.ts';
import { encodeXattrs } from '../index/xattr.ts';
import { modeWithAcl } from '../tar/acl.ts';
import type { TarEntry, TarType } from '../tar/entry.ts';
import { showTarName } from '../tar/malformed.ts';
import {
  type Inode,
  NAME_SIZE_MAX,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
} from '../tree.ts';
import { keptXattrs } from './kept-xattrs.ts';
import {
  forgetLower,
  freeze,
  impliedDirectory,
  isDirectory,
  type MutableInode,
  type Node,
  removeLower,
} from './node.ts';
import {
  AUFS_PREFIX as AUFS_META,
  OPAQUE_NAME as OPAQUE,
  WHITEOUT_PREFIX as WHITEOUT,
} from './whiteout.ts';

/** What an entry takes until it is packed, measured on trees of 400 000; names, targets and attributes come on top. */
export const ENTRY_SIZE = 1024;
/** Some four million entries. */
const SIZE_MAX_DEFAULT = 4 * 1024 ** 3;
/** Four times what a path of PATH_MAX can have, as for flists. */
const DEPTH_MAX = 8192;
/** As Linux counts (path_resolution(7)). */
const LINKS_MAX = 40;
const ACCESS_ACL = Buffer.from('system.posix_acl_access');

const TYPE_BITS: Readonly<Record<Exclude<TarType, 'link'>, number>> = {
  file: S_IFREG,
  directory: S_IFDIR,
  symlink: S_IFLNK,
  character: S_IFCHR,
  block: S_IFBLK,
  fifo: S_IFIFO,
};

export interface LayerTreeOptions {
  /** Default false: a name that begins with `.wh.` is a name. */
  readonly whiteouts?: boolean | undefined;
  /** Entries that are not to be in the image; asked once for each name, parents first. */
  readonly exclude?: ((path: string, isDirectory: boolean) => boolean) | undefined;
  /** Bytes of memory that the tree may take, all in all: what is packed small may unpack without end. */
  readonly sizeMax?: number | undefined;
}

/** A regular file with bytes that is in the tree now; later entries and layers may take it away again. */
export interface LayerFile {
  readonly inode: MutableInode;
  /** Excluded so far: it is in the image only if a link with another name leads to it. */
  readonly isExcluded: boolean;
}

export interface LayeredTree {
  readonly root: Inode;
  /** Names, the root included. */
  readonly entryCount: number;
  /** All inodes that the tree has, whatever their number of names. */
  readonly inodes: ReadonlySet<Inode>;
}

export class LayerTree {
  readonly #options: LayerTreeOptions;
  readonly #root: Node = directoryNode(impliedDirectory(), 0, false);
  #layer = 0;
  #entryCount = 1;
  #size = 0;

  constructor(options: LayerTreeOptions = {}) {
    this.#options = options;
  }

  /** Entries seen so far, implied directories included. */
  get entryCount(): number {
    return this.#entryCount;
  }

  /** What follows belongs to the next layer, above all before. */
  nextLayer(): void {
    this.#layer++;
  }

  /**
   * Adds the next entry of the current layer.
   *
   * @returns the file, if the entry is a regular one with bytes
   * @throws ERR_FLIST_FORMAT when it cannot be in a tree: a link to nothing, a file as a parent, too many
   *   or too deep
   */
  add(entry: TarEntry): LayerFile | undefined {
    const path = Buffer.from(entry.path).toString('latin1');
    if (path === '') {
      this.#describeRoot(entry);
      return undefined;
    }
    const slash = path.lastIndexOf('/');
    const folder = slash < 0 ? '' : path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (this.#isWhiteout(name)) {
      this.#whiteOut(entry, folder, name);
      return undefined;
    }
    const place = this.#parentOf(entry, folder);
    return entry.type === 'link' ? this.#link(entry, place, name) : this.#put(entry, place, name);
  }

  /** The tree as it is now. The builder is of no use afterwards. */
  finish(): LayeredTree {
    const root = freeze(this.#root);
    const inodes = new Set<Inode>([root]);
    let entryCount = 1;
    const todo: Inode[] = [root];
    for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
      for (const { inode } of folder.entries ?? []) {
        entryCount++;
        inodes.add(inode);
        if (isDirectory(inode)) todo.push(inode);
      }
    }
    return { root, entryCount, inodes };
  }

  #describeRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') throw refused(entry, 'it would take the place of the root');
    this.#root.inode = this.#inode(entry, 'directory');
    this.#root.layer = this.#layer;
  }

  #put(entry: TarEntry, place: Place, name: string): LayerFile | undefined {
    const { node: parent } = place;
    const type = entry.type as Exclude<TarType, 'link'>;
    const inode = this.#inode(entry, type);
    const known = parent.children?.get(name);
    // A directory that is there keeps what is in it.
    if (type === 'directory' && known?.children !== undefined) {
      known.inode = inode;
      known.layer = this.#layer;
      known.touched = this.#layer;
      return undefined;
    }
    const isExcluded = this.#isExcluded(place, name, type === 'directory');
    const children = type === 'directory' ? new Map<string, Node>() : undefined;
    this.#place(entry, parent, name, { ...this.#node(inode, isExcluded), children });
    return inode.size > 0 ? { inode, isExcluded } : undefined;
  }

  #link(entry: TarEntry, place: Place, name: string): undefined {
    const { node: parent } = place;
    const target = this.#linked(entry);
    if (target.children !== undefined) throw refused(entry, 'a hard link to a directory');
    // A name that is linked to itself says nothing new.
    if (parent.children?.get(name) === target) return;
    const isExcluded = this.#isExcluded(place, name, false);
    this.#place(entry, parent, name, this.#node(target.inode, isExcluded));
  }

  #linked(entry: TarEntry): Node {
    const target = Buffer.from(entry.target as Uint8Array).toString('latin1');
    const slash = target.lastIndexOf('/');
    const folder = this.#find(entry, slash < 0 ? '' : target.slice(0, slash));
    const node = folder?.children?.get(target.slice(slash + 1));
    if (target === '' || node === undefined) {
      const shown = showTarName(entry.target as Uint8Array);
      throw refused(entry, `a hard link to ${shown}, which is not there`);
    }
    return node;
  }

  #isWhiteout(name: string): boolean {
    if (this.#options.whiteouts !== true || !name.startsWith(WHITEOUT)) return false;
    return name === OPAQUE || !name.startsWith(AUFS_META);
  }

  #whiteOut(entry: TarEntry, folder: string, name: string): void {
    const parent = this.#find(entry, folder);
    if (parent === undefined) return;
    if (name === OPAQUE) {
      removeLower(parent, this.#layer);
      return;
    }
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === '' || hidden === '.' || hidden === '..') {
      throw refused(entry, 'a whiteout of nothing');
    }
    const node = parent.children?.get(hidden);
    if (node === undefined) return;
    if (node.touched < this.#layer) {
      parent.children?.delete(hidden);
      return;
    }
    removeLower(node, this.#layer);
    forgetLower(node, this.#layer);
  }

  #inode(entry: TarEntry, type: Exclude<TarType, 'link'>): MutableInode {
    const xattrs = keptXattrs(entry.xattrs);
    for (const { name, value } of xattrs ?? []) this.#count(entry, name.length + value.length);
    this.#count(entry, entry.target?.length ?? 0);
    checkStorable(entry, xattrs);
    const { uid, gid, mtimeSeconds, mtimeNanoseconds, target, rdevMajor, rdevMinor } = entry;
    return {
      mode: TYPE_BITS[type] | permissionsOf(entry),
      uid,
      gid,
      mtimeSeconds,
      mtimeNanoseconds,
      size: entry.size,
      ...(rdevMajor !== undefined && { rdevMajor, rdevMinor }),
      ...(target !== undefined && { target }),
      ...(xattrs !== undefined && { xattrs }),
    };
  }

  #node(inode: MutableInode, isExcluded: boolean): Node {
    return { inode, layer: this.#layer, touched: this.#layer, isExcluded, children: undefined };
  }

  #place(entry: TarEntry, parent: Node, name: string, node: Node): void {
    this.#entryCount++;
    this.#count(entry, ENTRY_SIZE + name.length);
    parent.children?.set(name, node);
  }

  #count(entry: TarEntry, size: number): void {
    const { sizeMax = SIZE_MAX_DEFAULT } = this.#options;
    this.#size += size;
    if (this.#size <= sizeMax) return;
    const count = this.#entryCount;
    throw refused(entry, `${count} entries are more than there is memory for`);
  }

  #isExcluded({ node: parent, trail }: Place, name: string, isFolder: boolean): boolean {
    const { exclude, whiteouts } = this.#options;
    if (whiteouts === true && name.startsWith(AUFS_META)) return true;
    if (exclude === undefined || parent.isExcluded) return parent.isExcluded;
    const names = [...trail.slice(1).map((step) => step.name), name];
    return exclude(Buffer.from(names.join('/'), 'latin1').toString(), isFolder);
  }

  /** The directory that an entry lies in. What is missing on the way is made, and marked as touched. */
  #parentOf(entry: TarEntry, folder: string): Place {
    const place = this.#walk(entry, folder, true);
    if (place === undefined) throw new TypeError('a walk that makes what is missing found nothing');
    return place;
  }

  #find(entry: TarEntry, folder: string): Node | undefined {
    return this.#walk(entry, folder, false)?.node;
  }

  #walk(entry: TarEntry, folder: string, makes: boolean): Place | undefined {
    const todo = folder === '' ? [] : folder.split('/').reverse();
    const trail: Step[] = [{ node: this.#root, name: '' }];
    if (makes) this.#root.touched = this.#layer;
    let links = 0;
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const { node } = trail.at(-1) as Step;
      const child =
        node.children?.get(name) ?? (makes ? this.#imply(entry, trail, name) : undefined);
      if (child === undefined) return undefined;
      const { target } = child.inode;
      if (target !== undefined) {
        if (++links > LINKS_MAX) throw refused(entry, 'too many symlinks on the way to it');
        const text = Buffer.from(target).toString('latin1');
        if (text.startsWith('/')) trail.length = 1;
        todo.push(...text.split('/').reverse());
        continue;
      }
      if (child.children === undefined) {
        // umoci writes whiteouts for what was below a directory that is a file now: nothing is there.
        if (!makes) return undefined;
        throw refused(
          entry,
          `${showTarName(Buffer.from(name, 'latin1'))} on the way is no directory`,
        );
      }
      if (trail.length >= DEPTH_MAX) throw refused(entry, 'it lies too deep');
      if (makes) child.touched = this.#layer;
      trail.push({ node: child, name });
    }
    return { node: (trail.at(-1) as Step).node, trail };
  }

  #imply(entry: TarEntry, trail: readonly Step[], name: string): Node {
    // Only the target of a symlink can hold a name that the archive's reader has not checked.
    if (name.length > NAME_SIZE_MAX) throw refused(entry, 'a symlink on the way names nothing');
    const { node: parent } = trail.at(-1) as Step;
    const isExcluded = this.#isExcluded({ node: parent, trail }, name, true);
    const node = directoryNode(impliedDirectory(), this.#layer, isExcluded);
    this.#place(entry, parent, name, node);
    return node;
  }
}

interface Step {
  readonly node: Node;
  readonly name: string;
}

/** A directory of the tree and how one gets there, the root first. */
interface Place {
  readonly node: Node;
  readonly trail: readonly Step[];
}

function directoryNode(inode: MutableInode, layer: number, isExcluded: boolean): Node {
  return { inode, layer, touched: layer, isExcluded, children: new Map() };
}

function refused(entry: TarEntry, reason: string): G8Error {
  const name = showTarName(entry.path);
  return new G8Error('ERR_FLIST_FORMAT', `${name} of the archive cannot be unpacked: ${reason}`, {
    details: { offset: entry.headerOffset },
  });
}

/** As they are once the entry is unpacked: of a symlink all, of a file with an ACL what that says. */
function permissionsOf({ type, mode, xattrs }: TarEntry): number {
  if (type === 'symlink') return 0o777;
  const acl = xattrs?.find(({ name }) => ACCESS_ACL.equals(name));
  return acl === undefined ? mode : modeWithAcl(mode, acl.value);
}

/** What would be refused at the end anyway is refused where the entry can be named. */
function checkStorable(entry: TarEntry, xattrs: TarEntry['xattrs']): void {
  const { rdevMajor = 0, rdevMinor = 0 } = entry;
  if (rdevMajor > DEVICE_MAJOR_MAX || rdevMinor > DEVICE_MINOR_MAX) {
    throw refused(entry, `Linux has no device ${rdevMajor}:${rdevMinor}`);
  }
  if (xattrs === undefined) return;
  try {
    encodeXattrs(xattrs, new Uint8Array(32));
  } catch (error) {
    throw refused(entry, error instanceof Error ? error.message : String(error));
  }
}
