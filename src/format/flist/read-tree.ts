/**
 * From the records of a flist to its tree: what each record means, in every generation. Follows the
 * keys from the root on, one directory after the other and without recursion. All of it is hostile:
 * a directory is read once, so that loops and shared directories cannot multiply the work. Pure.
 */
import { compareBytes, equalBytes } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import type { MetadataDatabase } from '../database.ts';
import {
  type Dentry,
  type Inode,
  NAME_SIZE_MAX,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  TARGET_SIZE_MAX,
  type Xattr,
} from '../tree.ts';
import { escapeBytes } from './escape.ts';
import { contentFromRecord } from './file-record.ts';
import { keyBytes, ROOT_KEYS } from './keys.ts';
import type { Unread } from './losses.ts';
import { type IdLookup, OWNER_UNKNOWN, type Owner, ownerFromAci } from './owner.ts';
import {
  type Attributes,
  type DirRecord,
  decodeAci,
  decodeDir,
  type InodeBody,
  type InodeRecord,
} from './records.ts';
import { isDevice, isSpecial, specialFromRecord } from './special.ts';
import { Unusable } from './unusable.ts';

export interface ReadTreeOptions {
  /** Leaves out entries that make no sense (no record, bad name) instead of failing. Default false. */
  readonly tolerant?: boolean;
  /** Numbers of users and groups that only have a name. Default: `root` is 0, others are 1000. */
  readonly userId?: IdLookup;
  readonly groupId?: IdLookup;
  /** Told for each file of which a record says more than the tree can. */
  readonly onUnread?: (what: Unread) => void;
}

/** Four times the components that a path of PATH_MAX (4096 bytes) can have. */
export const TREE_DEPTH_MAX = 8192;
/** linux/limits.h: XATTR_NAME_MAX and XATTR_SIZE_MAX. */
const XATTR_NAME_SIZE_MAX = 255;
const XATTR_VALUE_SIZE_MAX = 65536;
const NANOSECONDS_MAX = 999_999_999;
const MODE_MAX = 0o177777;
const NUL = 0;
const SLASH = 0x2f;
const DOT = 0x2e;

/** A directory under construction. */
type Directory = { -readonly [Key in keyof Inode]: Inode[Key] } & { entries: Dentry[] };

interface Pending {
  readonly directory: Directory;
  readonly message: Uint8Array;
  readonly depth: number;
}

type LeafBody = Exclude<InodeBody, { type: 'dir' }>;
type SpecialBody = Extract<InodeBody, { type: 'special' }>;

/** What every inode has. */
interface Stat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly xattrs?: readonly Xattr[];
}

/**
 * Reads the whole tree.
 *
 * @returns the root directory
 * @throws ERR_FLIST_FORMAT when records are missing, malformed or tangled, ERR_FLIST_VERSION when
 *   they were written by a newer version
 */
export function readTree(database: MetadataDatabase, options: ReadTreeOptions = {}): Inode {
  return new TreeReader(database, options).read();
}

class TreeReader {
  readonly #database: MetadataDatabase;
  readonly #options: ReadTreeOptions;
  readonly #pending: Pending[] = [];
  readonly #seen = new Set<string>();
  readonly #owners = new Map<string, Owner>([['', OWNER_UNKNOWN]]);
  readonly #links = new Map<number, Inode>();

  constructor(database: MetadataDatabase, options: ReadTreeOptions) {
    this.#database = database;
    this.#options = options;
  }

  read(): Inode {
    const key = ROOT_KEYS.find((candidate) => this.#database.get(keyBytes(candidate)));
    if (key === undefined) throw new G8Error('ERR_FLIST_FORMAT', 'Flist has no root directory');
    const root = this.#openDirectory(key, 0);
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      this.#fill(next);
    }
    return root;
  }

  #openDirectory(key: string, depth: number): Directory {
    if (this.#seen.has(key)) throw new Unusable('is in the tree already');
    if (depth > TREE_DEPTH_MAX) throw new Unusable('is too deep');
    const message = this.#database.get(keyBytes(key));
    if (message === undefined) throw new Unusable('has no record');
    this.#seen.add(key);
    const directory: Directory = {
      mode: S_IFDIR,
      uid: 0,
      gid: 0,
      mtimeSeconds: 0,
      mtimeNanoseconds: 0,
      size: 0,
      entries: [],
    };
    this.#pending.push({ directory, message, depth });
    return directory;
  }

  /** Owner, times and entries of a directory come from its own record, whatever its parent says. */
  #fill({ directory, message, depth }: Pending): void {
    const record = decodeDir(message);
    try {
      Object.assign(directory, this.#stat(record, S_IFDIR));
    } catch (error) {
      throw refusal(error, record);
    }
    for (const entry of uniqueEntries(record)) {
      try {
        checkName(entry.name);
        directory.entries.push({ name: entry.name, inode: this.#inode(entry, depth) });
      } catch (error) {
        if (!(error instanceof Unusable && this.#options.tolerant)) {
          throw refusal(error, record, entry);
        }
      }
    }
  }

  #inode(record: InodeRecord, depth: number): Inode {
    const { body } = record;
    if (body.type === 'dir') return this.#openDirectory(body.key, depth + 1);
    const linkId = record.attributes?.linkId ?? 0;
    const known = linkId === 0 ? undefined : this.#links.get(linkId);
    if (known === undefined) {
      const inode = this.#leaf(record, body);
      if (linkId !== 0) this.#links.set(linkId, inode);
      return inode;
    }
    if (known.mode !== record.attributes?.mode) throw new Unusable('is no hard link of its group');
    return known;
  }

  #leaf(record: InodeRecord, body: LeafBody): Inode {
    switch (body.type) {
      case 'file': {
        const content = contentFromRecord(body, record.size);
        const inode = { ...this.#stat(record, S_IFREG), size: record.size };
        return content === undefined ? inode : { ...inode, content };
      }
      case 'link':
        checkTarget(body.target);
        return { ...this.#stat(record, S_IFLNK), size: 0, target: body.target };
      case 'special':
        return this.#special(record, body);
    }
  }

  #special(record: InodeRecord, body: SpecialBody): Inode {
    const { attributes } = record;
    if (attributes !== undefined) {
      if (!isSpecial(attributes.mode)) throw new Unusable('has attributes of another type');
      const inode = { ...this.#stat(record, attributes.mode & S_IFMT), size: 0 };
      const { rdevMajor, rdevMinor } = attributes;
      return isDevice(inode.mode) ? { ...inode, rdevMajor, rdevMinor } : inode;
    }
    const special = specialFromRecord(body, this.#owner(record.aciKey).type);
    if (special === undefined) throw new Unusable('is a special file of unknown type');
    const { type, rdevMajor, rdevMinor } = special;
    const inode = { ...this.#stat(record, type), size: 0 };
    return isDevice(type) ? { ...inode, rdevMajor, rdevMinor } : inode;
  }

  /** @param type type bits that the record's other fields ask for */
  #stat(record: DirRecord | InodeRecord, type: number): Stat {
    if (record.attributes !== undefined) return statFromAttributes(record.attributes, type);
    const { uid, gid, permissions, isUnresolved } = this.#owner(record.aciKey);
    const { onUnread } = this.#options;
    if (isUnresolved) onUnread?.('owner names');
    // Tools that knew of one time only have put 0 here, or the same.
    if (record.creationTime !== 0 && record.creationTime !== record.modificationTime) {
      onUnread?.('creation times');
    }
    return {
      mode: type | permissions,
      uid,
      gid,
      mtimeSeconds: record.modificationTime,
      mtimeNanoseconds: 0,
    };
  }

  #owner(key: string): Owner {
    let owner = this.#owners.get(key);
    if (owner === undefined) {
      const message = this.#database.get(keyBytes(key));
      owner =
        message === undefined
          ? OWNER_UNKNOWN
          : ownerFromAci(decodeAci(message), this.#options.userId, this.#options.groupId);
      this.#owners.set(key, owner);
    }
    return owner;
  }
}

function statFromAttributes(attributes: Attributes, type: number): Stat {
  const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs } = attributes;
  if (mode > MODE_MAX || (mode & S_IFMT) !== type) {
    throw new Unusable('has attributes of another type');
  }
  if (mtimeNanoseconds > NANOSECONDS_MAX) throw new Unusable('has a time out of range');
  const stat = { mode, uid, gid, mtimeSeconds, mtimeNanoseconds };
  if (xattrs.length === 0) return stat;
  checkXattrs(xattrs);
  return { ...stat, xattrs };
}

/** In byte order; of entries with one name the directory, else the first. */
function uniqueEntries(record: DirRecord): InodeRecord[] {
  const sorted = [...record.contents].sort((a, b) => compareBytes(a.name, b.name));
  let count = 0;
  for (const entry of sorted) {
    const previous = sorted[count - 1];
    if (previous === undefined || !equalBytes(previous.name, entry.name)) sorted[count++] = entry;
    else if (previous.body.type !== 'dir' && entry.body.type === 'dir') sorted[count - 1] = entry;
  }
  sorted.length = count;
  return sorted;
}

function checkName(name: Uint8Array): void {
  const isDots = name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
  if (name.length === 0 || name.length > NAME_SIZE_MAX || isDots) {
    throw new Unusable('has a name that no file can have');
  }
  if (name.includes(SLASH) || name.includes(NUL)) {
    throw new Unusable('has a name that no file can have');
  }
}

function checkTarget(target: Uint8Array): void {
  if (target.length === 0 || target.length > TARGET_SIZE_MAX || target.includes(NUL)) {
    throw new Unusable('has a target that no symlink can have');
  }
}

function checkXattrs(xattrs: readonly Xattr[]): void {
  let previous: Uint8Array | undefined;
  for (const { name, value } of xattrs) {
    if (name.length === 0 || name.length > XATTR_NAME_SIZE_MAX || name.includes(NUL)) {
      throw new Unusable('has an extended attribute with a bad name');
    }
    if (value.length > XATTR_VALUE_SIZE_MAX) {
      throw new Unusable('has an extended attribute that is too large');
    }
    if (previous !== undefined && compareBytes(previous, name) >= 0) {
      throw new Unusable('has extended attributes out of order');
    }
    previous = name;
  }
}

/** The error for a caller: says which file it is about. */
function refusal(error: unknown, directory: DirRecord, entry?: InodeRecord): unknown {
  if (!(error instanceof Unusable)) return error;
  const parent = directory.location.length === 0 ? '' : `/${escapeBytes(directory.location)}`;
  const path = `${parent}/${escapeBytes(entry?.name ?? new Uint8Array(0))}`;
  return new G8Error('ERR_FLIST_FORMAT', `File ${path} in the flist ${error.message}`);
}
