/**
 * From a tree to the records of our flists: the historical layout with our attributes appended. The
 * same tree gives the same bytes. Records are made one by one in key order, so that only the names
 * of directories are held beside the tree. Pure.
 */
import { MessageWriter } from '../capnp/writer.ts';
import { type Dentry, type Inode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../tree.ts';
import { fileToRecord } from './file-record.ts';
import { aciKey, directoryKey, keyBytes } from './keys.ts';
import { TREE_DEPTH_MAX } from './read-tree.ts';
import {
  type AciRecord,
  type Attributes,
  type DirRecord,
  encodeAci,
  encodeDir,
  type InodeBody,
  type InodeRecord,
} from './records.ts';
import { specialToRecord } from './special.ts';

export interface WriteRecordsOptions {
  /** Names for old readers, which look them up on their host. Default: the decimal ids. */
  readonly userName?: (uid: number) => string | undefined;
  readonly groupName?: (gid: number) => string | undefined;
}

const TIME_MAX = 2 ** 32 - 1;
const DIRECTORY_SIZE = 4096;
const SLASH = 0x2f;
const EMPTY = new Uint8Array(0);
const NO_XATTRS: Attributes['xattrs'] = [];

interface Directory {
  readonly inode: Inode;
  readonly name: Uint8Array;
  readonly key: string;
  readonly parent: Directory | undefined;
  readonly depth: number;
  /** Keys of its subdirectories by position in `inode.entries`. */
  readonly children: Map<number, Directory>;
}

/**
 * Encodes a tree.
 *
 * @param root a directory; the tree must not change until the last record was taken
 * @returns database records, sorted by key in byte order
 * @throws RangeError when the tree is deeper than {@link TREE_DEPTH_MAX}, ERR_CREATE when a
 *   directory is too large for one record, ERR_FLIST_FORMAT when a content of our own codec lacks chunks
 */
export function* writeRecords(
  root: Inode,
  options: WriteRecordsOptions = {},
): Generator<[key: Uint8Array, value: Uint8Array]> {
  const plan = new Plan(root, options);
  const writer = new MessageWriter();
  for (const key of [...plan.directories.keys(), ...plan.acis.keys()].sort()) {
    const directory = plan.directories.get(key);
    const value =
      directory === undefined
        ? encodeAci(plan.acis.get(key) as AciRecord, writer)
        : encodeDir(plan.record(directory), writer);
    yield [keyBytes(key), value];
  }
}

/** One walk over the tree: which records there will be, and what needs the whole tree to be known. */
class Plan {
  readonly directories = new Map<string, Directory>();
  readonly acis = new Map<string, AciRecord>();
  readonly #options: WriteRecordsOptions;
  readonly #aciKeys = new Map<string, string>();
  /** Names of each inode that is no directory, in tree order. */
  readonly #linkCounts = new Map<Inode, number>();
  readonly #linkIds = new Map<Inode, number>();

  constructor(root: Inode, options: WriteRecordsOptions) {
    this.#options = options;
    const queue = [this.#addDirectory(root, EMPTY, undefined)];
    for (const directory of queue) this.#visit(directory, queue);
    for (const [inode, count] of this.#linkCounts) {
      if (count > 1) this.#linkIds.set(inode, this.#linkIds.size + 1);
      else this.#linkCounts.delete(inode);
    }
  }

  #visit(directory: Directory, queue: Directory[]): void {
    const entries = directory.inode.entries ?? [];
    for (const [index, { name, inode }] of entries.entries()) {
      if ((inode.mode & S_IFMT) === S_IFDIR) {
        const child = this.#addDirectory(inode, name, directory);
        directory.children.set(index, child);
        queue.push(child);
      } else {
        this.#linkCounts.set(inode, (this.#linkCounts.get(inode) ?? 0) + 1);
        this.#aciKey(inode);
      }
    }
  }

  #addDirectory(inode: Inode, name: Uint8Array, parent: Directory | undefined): Directory {
    const depth = parent === undefined ? 0 : parent.depth + 1;
    if (depth > TREE_DEPTH_MAX) {
      throw new RangeError(`Tree is deeper than ${TREE_DEPTH_MAX} directories`);
    }
    const key = directoryKey(pathOf(name, parent));
    const directory = { inode, name, key, parent, depth, children: new Map() };
    this.directories.set(key, directory);
    this.#aciKey(inode);
    return directory;
  }

  /** Files first, then symlinks, special files and directories: the order of historical flists. */
  record(directory: Directory): DirRecord {
    const { inode, name, parent, children } = directory;
    const contents: InodeRecord[][] = [[], [], [], []];
    for (const [index, entry] of (inode.entries ?? []).entries()) {
      contents[rankOf(entry.inode)]?.push(this.#entry(entry, children.get(index)));
    }
    return {
      name,
      location: pathOf(name, parent),
      contents: contents.flat(),
      parent: parent?.key ?? '',
      size: DIRECTORY_SIZE,
      aciKey: this.#aciKey(inode),
      ...timesOf(inode),
      attributes: this.#attributes(inode, 2 + children.size),
    };
  }

  #entry({ name, inode }: Dentry, directory: Directory | undefined): InodeRecord {
    if (directory !== undefined) {
      const body: InodeBody = { type: 'dir', key: directory.key };
      return { name, size: 0, body, aciKey: '', modificationTime: 0, creationTime: 0 };
    }
    return {
      name,
      size: inode.target?.length ?? inode.size,
      body: bodyOf(inode),
      aciKey: this.#aciKey(inode),
      ...timesOf(inode),
      attributes: this.#attributes(inode, this.#linkCounts.get(inode) ?? 1),
    };
  }

  #attributes(inode: Inode, nlink: number): Attributes {
    return {
      mode: inode.mode,
      uid: inode.uid,
      gid: inode.gid,
      nlink,
      mtimeSeconds: inode.mtimeSeconds,
      mtimeNanoseconds: inode.mtimeNanoseconds,
      rdevMajor: inode.rdevMajor ?? 0,
      rdevMinor: inode.rdevMinor ?? 0,
      linkId: this.#linkIds.get(inode) ?? 0,
      xattrs: inode.xattrs ?? NO_XATTRS,
    };
  }

  /** Key of the inode's ACI record, which is made when it is new. The first of several wins. */
  #aciKey({ mode, uid, gid }: Inode): string {
    const id = `${mode}:${uid}:${gid}`;
    let key = this.#aciKeys.get(id);
    if (key === undefined) {
      const uname = this.#options.userName?.(uid) ?? String(uid);
      const gname = this.#options.groupName?.(gid) ?? String(gid);
      key = aciKey(uname, gname, mode);
      this.#aciKeys.set(id, key);
      if (!this.acis.has(key)) {
        this.acis.set(key, { uname, gname, mode, uid: BigInt(uid), gid: BigInt(gid) });
      }
    }
    return key;
  }
}

/** Filled in upwards, so that the paths of all directories need not be held. */
function pathOf(name: Uint8Array, parent: Directory | undefined): Uint8Array {
  let length = name.length;
  for (let above = parent; above?.parent !== undefined; above = above.parent) {
    length += above.name.length + 1;
  }
  const path = new Uint8Array(length);
  let at = length - name.length;
  path.set(name, at);
  for (let above = parent; above?.parent !== undefined; above = above.parent) {
    path[--at] = SLASH;
    at -= above.name.length;
    path.set(above.name, at);
  }
  return path;
}

function rankOf(inode: Inode): number {
  switch (inode.mode & S_IFMT) {
    case S_IFREG:
      return 0;
    case S_IFLNK:
      return 1;
    case S_IFDIR:
      return 3;
    default:
      return 2;
  }
}

export function bodyOf(inode: Inode): InodeBody {
  switch (inode.mode & S_IFMT) {
    case S_IFREG:
      return fileToRecord(inode.content);
    case S_IFLNK:
      return { type: 'link', target: inode.target ?? EMPTY };
    default:
      return specialToRecord(inode.mode, inode.rdevMajor ?? 0, inode.rdevMinor ?? 0);
  }
}

/** For old readers; ours take the signed time of the attributes. */
export function timesOf(inode: Inode): Pick<DirRecord, 'modificationTime' | 'creationTime'> {
  const time = Math.min(Math.max(inode.mtimeSeconds, 0), TIME_MAX);
  return { modificationTime: time, creationTime: time };
}
