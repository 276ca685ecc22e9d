/**
 * From a tree to the records of the sqlite generation (G3), as zflist 2.3 writes them, and what is lost on
 * the way. Contents must be of that generation already. The same tree gives the same bytes. Pure.
 */

import { CODEC } from '../../base/codec.ts';
import { G8Error } from '../../base/errors.ts';
import { MessageWriter } from '../capnp/writer.ts';
import { type Inode, S_IFDIR, S_IFMT } from '../tree.ts';
import { escapeBytes } from './escape.ts';
import { keyBytes, sqliteAciKey, sqliteDirectoryKey } from './keys.ts';
import { TREE_DEPTH_MAX } from './read-tree.ts';
import { type AciRecord, encodeAci, encodeDir, type InodeRecord } from './records.ts';
import { bodyOf, timesOf, type WriteRecordsOptions } from './write-records.ts';

/** zflist serialises into buffers of these sizes and does not look whether it fits. */
const DIRECTORY_SIZE_MAX = 4 * 1024 * 1024;
const ACI_SIZE_MAX = 4096;
const DIRECTORY_SIZE = 4096;
const PERMISSIONS = 0o7777;
const SLASH = Uint8Array.of(0x2f);
const EMPTY = new Uint8Array(0);

interface Directory {
  readonly inode: Inode;
  readonly name: Uint8Array;
  readonly path: Uint8Array;
  readonly key: string;
  /** The root's is its own. */
  readonly parentKey: string;
  readonly depth: number;
}

/**
 * Encodes a tree, directories breadth first, then the ACI records.
 *
 * @throws ERR_CREATE when something is larger than zflist can hold
 */
export function* writeSqliteRecords(
  root: Inode,
  options: WriteRecordsOptions = {},
): Generator<[key: Uint8Array, value: Uint8Array]> {
  const writer = new MessageWriter();
  const acis = new AciTable(options);
  const rootKey = sqliteDirectoryKey(EMPTY);
  const queue: Directory[] = [
    { inode: root, name: EMPTY, path: EMPTY, key: rootKey, parentKey: rootKey, depth: 0 },
  ];
  for (const directory of queue) {
    const message = encodeDirectory(directory, acis, queue, writer);
    if (message.length > DIRECTORY_SIZE_MAX) {
      throw tooLarge(`Directory /${escapeBytes(directory.path)}`, message, DIRECTORY_SIZE_MAX);
    }
    yield [keyBytes(directory.key), message];
  }
  for (const [key, aci] of acis.records) {
    const message = encodeAci(aci, writer);
    if (message.length > ACI_SIZE_MAX) {
      throw tooLarge(`Owner ${aci.uname}:${aci.gname}`, message, ACI_SIZE_MAX);
    }
    yield [keyBytes(key), message];
  }
}

/** Directories first, then everything else, each in byte order. */
function encodeDirectory(
  directory: Directory,
  acis: AciTable,
  queue: Directory[],
  writer: MessageWriter,
): Uint8Array {
  const { inode, name, path, key, parentKey, depth } = directory;
  const directories: InodeRecord[] = [];
  const others: InodeRecord[] = [];
  for (const entry of inode.entries ?? []) {
    const common = { name: entry.name, aciKey: acis.keyOf(entry.inode), ...timesOf(entry.inode) };
    if ((entry.inode.mode & S_IFMT) !== S_IFDIR) {
      checkChunks(entry.inode, path, entry.name);
      const size = entry.inode.target?.length ?? entry.inode.size;
      others.push({ ...common, size, body: bodyOf(entry.inode) });
      continue;
    }
    if (depth >= TREE_DEPTH_MAX) {
      throw new G8Error('ERR_CREATE', `Tree is deeper than ${TREE_DEPTH_MAX} directories`);
    }
    const childPath = path.length === 0 ? entry.name : Buffer.concat([path, SLASH, entry.name]);
    const child = {
      inode: entry.inode,
      name: entry.name,
      path: childPath,
      key: sqliteDirectoryKey(childPath),
      parentKey: key,
      depth: depth + 1,
    };
    queue.push(child);
    directories.push({ ...common, size: DIRECTORY_SIZE, body: { type: 'dir', key: child.key } });
  }
  return encodeDir(
    {
      name,
      location: path,
      contents: [...directories, ...others],
      parent: parentKey,
      size: DIRECTORY_SIZE,
      aciKey: acis.keyOf(inode),
      ...timesOf(inode),
    },
    writer,
    'historical',
  );
}

function checkChunks({ content }: Inode, folder: Uint8Array, name: Uint8Array): void {
  const isKnown = content?.chunks.every(
    ({ codec }) => codec === CODEC.legacyG2 || codec === CODEC.lost,
  );
  if (isKnown !== false) return;
  const path = escapeBytes(Buffer.concat([folder, SLASH, name]));
  throw new G8Error('ERR_CREATE', `File ${path} has chunks that zflist does not know`);
}

class AciTable {
  readonly records = new Map<string, AciRecord>();
  readonly #options: WriteRecordsOptions;
  readonly #keys = new Map<string, string>();

  constructor(options: WriteRecordsOptions) {
    this.#options = options;
  }

  keyOf({ mode, uid, gid }: Inode): string {
    const permissions = mode & PERMISSIONS;
    const id = `${permissions}:${uid}:${gid}`;
    let key = this.#keys.get(id);
    if (key === undefined) {
      const uname = this.#options.userName?.(uid) ?? nameOf(uid);
      const gname = this.#options.groupName?.(gid) ?? nameOf(gid);
      const aci = { uname, gname, mode: permissions, uid: BigInt(uid), gid: BigInt(gid) };
      key = sqliteAciKey(aci);
      this.#keys.set(id, key);
      this.records.set(key, aci);
    }
    return key;
  }
}

/** The one name that every system knows; others are written as numbers. */
function nameOf(id: number): string {
  return id === 0 ? 'root' : String(id);
}

function tooLarge(what: string, message: Uint8Array, sizeMax: number): G8Error {
  return new G8Error('ERR_CREATE', `${what} takes more than the ${sizeMax} bytes zflist can hold`, {
    details: { size: message.length, sizeMax },
  });
}
