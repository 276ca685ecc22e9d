/**
 * Reads `mount.erofs` (docs/format.md, section 4). Opening checks the superblock only; everything
 * else is checked when it is used, so a malformed image ends in an error and never in an endless
 * walk. Nodes are named by node number (nid). Keeps no state but the source.
 */
import { compareBytes, compareShort, equalBytes } from '../../base/bytes.ts';
import type { Xattr } from '../tree.ts';
import { TARGET_SIZE_MAX } from '../tree.ts';
import { DirectoryBlock, isDotName } from './directory.ts';
import {
  BLOCK_SIZE,
  DIRENT_SIZE,
  decodeDevice,
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  type FileType,
  fileTypeOf,
  fileTypeOfDirent,
  INODE,
  INODE_SIZE,
  LAYOUT,
  ROOT_NID,
  SLOT_SIZE,
  SUPERBLOCK,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
} from './erofs-format.ts';
import { type ByteSource, getUint64, IndexFile } from './source.ts';
import { type WalkEntry, type WalkStart, walkIndex } from './walk.ts';
import { decodeXattrs, xattrBodySizeOf } from './xattr.ts';

/** Attributes of an inode; numbers as in stat(2). */
export interface IndexInode {
  readonly nid: number;
  /** Place in tree order, from 1; what {@link ContentsReader.contentOf} takes. */
  readonly ino: number;
  readonly type: FileType;
  /** Full `st_mode`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** Bytes of a file, a directory's blocks or a symlink's target. */
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Device numbers; 0 for every other type. */
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

/** An entry of a directory. */
export interface IndexEntry {
  readonly name: Uint8Array;
  readonly nid: number;
  readonly type: FileType;
}

const ROOT_PATH = Uint8Array.of(0x2f);
const NO_NAME = new Uint8Array(0);
const NO_DEVICE = { major: 0, minor: 0 } as const;

/** Where an inode's data is. */
interface StoredInode {
  readonly attributes: IndexInode;
  readonly layout: number;
  readonly startBlock: number;
  readonly xattrOffset: number;
  readonly xattrSize: number;
}

export class MountIndexReader {
  readonly #file: IndexFile;
  readonly #inodeCount: number;

  /**
   * @throws ERR_FLIST_FORMAT when the superblock is not that of a mount index of this size
   */
  constructor(source: ByteSource) {
    this.#file = new IndexFile('mount.erofs', source);
    this.#inodeCount = checkSuperblock(this.#file);
  }

  /** Node number of the root directory. */
  root(): number {
    return ROOT_NID;
  }

  inodeCount(): number {
    return this.#inodeCount;
  }

  /** @throws ERR_FLIST_FORMAT when there is no sound inode at that number */
  inode(nid: number): IndexInode {
    return this.#inode(nid).attributes;
  }

  /**
   * Node number of an entry of a directory, `.` and `..` included; `undefined` when there is none
   * or `nid` is no directory.
   */
  lookup(nid: number, name: Uint8Array): number | undefined {
    const directory = this.#inode(nid);
    if (directory.attributes.type !== 'directory') return undefined;
    let low = 0;
    let high = Math.ceil(directory.attributes.size / BLOCK_SIZE);
    // The last block whose first name is not above the wanted one.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const first = this.#directoryBlock(directory, middle).nameAt(0);
      if (compareBytes(first, name) <= 0) low = middle;
      else high = middle;
    }
    const block = this.#directoryBlock(directory, low);
    let start = 0;
    let end = block.count;
    while (start < end) {
      const middle = (start + end) >>> 1;
      const difference = compareBytes(block.nameAt(middle), name);
      if (difference === 0) return block.nidAt(middle);
      if (difference < 0) start = middle + 1;
      else end = middle;
    }
    return undefined;
  }

  /**
   * Entries of a directory in byte order, without `.` and `..`.
   *
   * @throws ERR_FLIST_FORMAT also when `nid` is no directory
   */
  *readdir(nid: number): Generator<IndexEntry> {
    const directory = this.#inode(nid);
    const { type: kind, size } = directory.attributes;
    if (kind !== 'directory') throw this.#fail(nid, 'inode is no directory');
    const blockCount = Math.ceil(size / BLOCK_SIZE);
    let previous: Uint8Array = NO_NAME;
    for (let index = 0; index < blockCount; index++) {
      // A copy: the bytes of a source live only until the next read, which the consumer may do. Names are
      // parts of it.
      const block = this.#directoryBlock(directory, index, true);
      for (let i = 0; i < block.count; i++) {
        const name = block.nameAt(i);
        if (compareShort(previous, name) >= 0) throw this.#fail(nid, 'entries are out of order');
        previous = name;
        if (isDotName(name)) continue;
        const type = fileTypeOfDirent(block.typeAt(i));
        if (type === undefined) throw this.#fail(nid, 'entry has an unknown type');
        yield { name, nid: block.nidAt(i), type };
      }
    }
  }

  /** Target of a symbolic link. */
  readlink(nid: number): Uint8Array {
    const inode = this.#inode(nid);
    const { type, size } = inode.attributes;
    const isSound = type === 'symlink' && size > 0 && size <= TARGET_SIZE_MAX;
    if (!isSound) throw this.#fail(nid, 'inode is no symbolic link');
    const target = this.#dataBlock(inode, 0).slice();
    if (target.includes(0)) throw this.#fail(nid, 'target holds a NUL');
    return target;
  }

  /** Extended attributes of the image, sorted by name; empty when there are none. */
  xattrs(nid: number): Xattr[] {
    const { xattrOffset, xattrSize } = this.#inode(nid);
    const body = this.#file.read(xattrOffset, xattrSize);
    return decodeXattrs(body, (offset, reason) => this.#file.fail(xattrOffset + offset, reason));
  }

  /**
   * Whether two inodes have the same attributes, the ones of the kernel tier included: quicker than to
   * decode both. False says nothing.
   */
  hasSameXattrBody(nid: number, other: MountIndexReader, otherNid: number): boolean {
    const [a, b] = [this.#inode(nid), other.#inode(otherNid)];
    if (a.xattrSize !== b.xattrSize) return false;
    const body = this.#file.read(a.xattrOffset, a.xattrSize);
    // The bytes of a source live only until its next read.
    const own = this === other ? body.slice() : body;
    return equalBytes(own, other.#file.read(b.xattrOffset, b.xattrSize));
  }

  /**
   * Node number at a path from the root; `undefined` when there is none. A leading slash, empty
   * components and `.` do not matter. Symbolic links are not followed.
   */
  resolvePath(path: Uint8Array): number | undefined {
    let nid: number | undefined = ROOT_NID;
    let start = 0;
    while (start <= path.length && nid !== undefined) {
      const slash = path.indexOf(0x2f, start);
      const end = slash === -1 ? path.length : slash;
      if (end > start) nid = this.lookup(nid, path.subarray(start, end));
      start = end + 1;
    }
    return nid;
  }

  /**
   * A subtree, by default the whole tree: a directory before its entries, `start` itself first.
   *
   * @param seen folders that were met already, for several walks that belong together
   * @throws ERR_FLIST_FORMAT also when a directory is met twice
   */
  walk(
    start: WalkStart = { nid: ROOT_NID, path: ROOT_PATH },
    seen = new Set<number>(),
  ): Generator<WalkEntry> {
    // Every entry takes this much of the file and more.
    const entryCountMax = Math.ceil(this.#file.size / DIRENT_SIZE);
    return walkIndex(this, start, seen, entryCountMax, (nid, reason) => this.#fail(nid, reason));
  }

  #inode(nid: number): StoredInode {
    const position = nid * SLOT_SIZE;
    if (!(nid >= ROOT_NID) || (position % BLOCK_SIZE) + INODE_SIZE > BLOCK_SIZE) {
      throw this.#fail(nid, 'bad node number');
    }
    const view = this.#file.view(position, INODE_SIZE);
    const format = view.getUint16(INODE.format, true);
    const layout = format >>> 1;
    const mode = view.getUint16(INODE.mode, true);
    const type = fileTypeOf(mode);
    const size = getUint64(view, INODE.size);
    const union = view.getUint32(INODE.union, true);
    const ino = view.getUint32(INODE.number, true);
    const mtimeNanoseconds = view.getUint32(INODE.mtimeNanoseconds, true);
    const mtimeSeconds =
      view.getInt32(INODE.mtime + 4, true) * 2 ** 32 + view.getUint32(INODE.mtime, true);
    if ((format & 1) !== 1) throw this.#fail(nid, 'inode is not extended');
    if (type === undefined || size === undefined) throw this.#fail(nid, 'bad type or size');
    if (layout !== LAYOUT.plain && layout !== LAYOUT.inline && layout !== LAYOUT.chunked) {
      throw this.#fail(nid, 'unknown data layout');
    }
    if (ino === 0 || ino > this.#inodeCount) throw this.#fail(nid, 'bad inode number');
    if (!Number.isSafeInteger(mtimeSeconds) || mtimeNanoseconds > 999_999_999) {
      throw this.#fail(nid, 'bad time');
    }
    const hasDevice = type === 'character-device' || type === 'block-device';
    const device = hasDevice ? decodeDevice(union) : NO_DEVICE;
    const attributes: IndexInode = {
      nid,
      ino,
      type,
      mode,
      uid: view.getUint32(INODE.uid, true),
      gid: view.getUint32(INODE.gid, true),
      nlink: view.getUint32(INODE.nlink, true),
      size,
      mtimeSeconds,
      mtimeNanoseconds,
      rdevMajor: device.major,
      rdevMinor: device.minor,
    };
    return {
      attributes,
      layout,
      startBlock: union,
      xattrOffset: position + INODE_SIZE,
      xattrSize: xattrBodySizeOf(view.getUint16(INODE.xattrCount, true)),
    };
  }

  #directoryBlock(directory: StoredInode, index: number, isKept = false): DirectoryBlock {
    const bytes = this.#dataBlock(directory, index);
    const fail = (offset: number, reason: string) =>
      this.#fail(directory.attributes.nid, `block ${index} at ${offset}: ${reason}`);
    return new DirectoryBlock(isKept ? bytes.slice() : bytes, fail);
  }

  /** One block of a directory or symlink; the last one ends with the data. */
  #dataBlock(inode: StoredInode, index: number): Uint8Array {
    const { nid, size } = inode.attributes;
    const length = Math.min(BLOCK_SIZE, size - index * BLOCK_SIZE);
    if (length <= 0) throw this.#fail(nid, 'inode has no data');
    if (inode.layout === LAYOUT.chunked) throw this.#fail(nid, 'data is chunked');
    const isTail = inode.layout === LAYOUT.inline && (index + 1) * BLOCK_SIZE >= size;
    if (!isTail) return this.#file.read((inode.startBlock + index) * BLOCK_SIZE, length);
    const offset = inode.xattrOffset + inode.xattrSize;
    if (length === BLOCK_SIZE || (offset % BLOCK_SIZE) + length > BLOCK_SIZE) {
      throw this.#fail(nid, 'inline data crosses a block');
    }
    return this.#file.read(offset, length);
  }

  #fail(nid: number, reason: string): Error {
    return this.#file.fail(nid * SLOT_SIZE, reason);
  }
}

function checkSuperblock(file: IndexFile): number {
  const view = file.view(SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE);
  const inodeCount = getUint64(view, SUPERBLOCK.inodeCount);
  const expected: readonly (readonly [offset: number, value: number, wanted: number])[] = [
    [SUPERBLOCK.magic, view.getUint32(SUPERBLOCK.magic, true), SUPERBLOCK_MAGIC],
    [SUPERBLOCK.featureCompat, view.getUint32(SUPERBLOCK.featureCompat, true), FEATURE_COMPAT],
    [
      SUPERBLOCK.featureIncompat,
      view.getUint32(SUPERBLOCK.featureIncompat, true),
      FEATURE_INCOMPAT,
    ],
    [
      SUPERBLOCK.blockSizeBits,
      view.getUint16(SUPERBLOCK.blockSizeBits, true),
      Math.log2(BLOCK_SIZE),
    ],
    [SUPERBLOCK.rootNid, view.getUint16(SUPERBLOCK.rootNid, true), ROOT_NID],
    [SUPERBLOCK.metaBlock, view.getUint32(SUPERBLOCK.metaBlock, true), 0],
    [SUPERBLOCK.blockCount, view.getUint32(SUPERBLOCK.blockCount, true) * BLOCK_SIZE, file.size],
  ];
  for (const [offset, value, wanted] of expected) {
    if (value !== wanted) throw file.fail(SUPERBLOCK_OFFSET + offset, 'bad superblock');
  }
  // Inodes do not overlap, so the file bounds their number.
  if (inodeCount === undefined || inodeCount === 0 || inodeCount * INODE_SIZE > file.size) {
    throw file.fail(SUPERBLOCK_OFFSET + SUPERBLOCK.inodeCount, 'bad inode count');
  }
  return inodeCount;
}
