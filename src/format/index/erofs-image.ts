/**
 * Writes `mount.erofs` from an ordered tree and its layout (docs/format.md, section 4), piece by
 * piece in file order. Pure; memory does not grow with the image.
 */
import { crc32cUpdate } from '../../base/crc32c.ts';
import type { Inode } from '../tree.ts';
import { setUint64 } from './content-digest.ts';
import type { ContentTable } from './contents.ts';
import {
  DirectoryListing,
  type DirentTarget,
  PARENT,
  SELF,
  writeDirectoryBlock,
} from './directory.ts';
import {
  BLOCK_SIZE,
  CHUNK_FORMAT,
  CHUNK_MAP_ENTRY_SIZE,
  CHUNK_MAP_HOLE,
  CHUNK_MAP_SPAN,
  direntTypeOf,
  encodeDevice,
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  fileTypeOf,
  INODE,
  INODE_SIZE,
  LAYOUT,
  ROOT_NID,
  SLOT_SIZE,
  SUPERBLOCK,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
} from './erofs-format.ts';
import { dataBlocksOf, type ImageLayout } from './layout.ts';
import { isDirectory, type TreeOrder } from './order.ts';
import { encodeXattrs, writeOverlayBody, xattrCountOf } from './xattr.ts';

const PIECE_SIZE = 1 << 20;
/** More than an inode with the largest xattr body (256 KiB) and the longest chunk map (4 KiB). */
const SLACK_SIZE = 1 << 19;

/** The stretch of the image that is being written: a piece, and room for what begins in it. */
class Window {
  start = 0;
  bytes = new Uint8Array(PIECE_SIZE + SLACK_SIZE);
  view = new DataView(this.bytes.buffer);

  get end(): number {
    return this.start + PIECE_SIZE;
  }

  /** Gives the finished piece away and goes on behind it. */
  shift(): Uint8Array {
    const finished = this.bytes;
    if (this.start === 0) writeChecksum(finished);
    this.start += PIECE_SIZE;
    this.bytes = new Uint8Array(PIECE_SIZE + SLACK_SIZE);
    this.bytes.set(finished.subarray(PIECE_SIZE));
    this.view = new DataView(this.bytes.buffer);
    return finished.subarray(0, PIECE_SIZE);
  }
}

/** All that the image is made from. */
export interface ImageSource {
  readonly order: TreeOrder;
  readonly layout: ImageLayout;
  readonly table: Pick<ContentTable, 'contentOfInode' | 'digests'>;
}

/** Pieces of `mount.erofs`, all of 1 MiB but the last. */
export function* erofsPieces(source: ImageSource): Generator<Uint8Array> {
  const { order, layout } = source;
  const size = layout.blockCount * BLOCK_SIZE;
  const window = new Window();
  writeSuperblock(window.view, source);
  for (let i = 0; i < order.inodes.length; i++) {
    const position = (layout.nid[i] as number) * SLOT_SIZE;
    while (position >= window.end) yield window.shift();
    writeInode(source, i, window, position - window.start);
  }
  for (let i = 0; i < order.inodes.length; i++) {
    const blocks = dataBlocksOf(layout.dataSize[i] as number, layout.layout[i] as number);
    if (blocks === 0) continue;
    const inode = order.inodes[i] as Inode;
    const listing = isDirectory(inode) ? new DirectoryListing(inode.entries ?? []) : undefined;
    let entry = 0;
    for (let block = 0; block < blocks; block++) {
      const position = ((layout.startBlock[i] as number) + block) * BLOCK_SIZE;
      while (position >= window.end) yield window.shift();
      const offset = position - window.start;
      if (listing === undefined) window.bytes.set(inode.target ?? [], offset);
      else entry = writeEntries(source, i, listing, entry, window, offset);
    }
  }
  while (window.end < size) yield window.shift();
  const last = size - window.start;
  yield window.shift().subarray(0, last);
}

function writeSuperblock(view: DataView, { order, layout }: ImageSource): void {
  const at = SUPERBLOCK_OFFSET;
  view.setUint32(at + SUPERBLOCK.magic, SUPERBLOCK_MAGIC, true);
  view.setUint32(at + SUPERBLOCK.featureCompat, FEATURE_COMPAT, true);
  view.setUint8(at + SUPERBLOCK.blockSizeBits, Math.log2(BLOCK_SIZE));
  view.setUint16(at + SUPERBLOCK.rootNid, ROOT_NID, true);
  setUint64(view, at + SUPERBLOCK.inodeCount, order.inodes.length);
  view.setUint32(at + SUPERBLOCK.blockCount, layout.blockCount, true);
  view.setUint32(at + SUPERBLOCK.featureIncompat, FEATURE_INCOMPAT, true);
}

/** The checksum covers the rest of the superblock's block, inodes included. */
function writeChecksum(firstPiece: Uint8Array): void {
  const covered = firstPiece.subarray(SUPERBLOCK_OFFSET, BLOCK_SIZE);
  const view = new DataView(firstPiece.buffer, firstPiece.byteOffset);
  view.setUint32(SUPERBLOCK_OFFSET + SUPERBLOCK.checksum, crc32cUpdate(0xffffffff, covered), true);
}

function writeInode(source: ImageSource, index: number, window: Window, offset: number): void {
  const { order, layout } = source;
  const inode = order.inodes[index] as Inode;
  const { view } = window;
  const xattrSize = layout.xattrSize[index] as number;
  const dataLayout = layout.layout[index] as number;
  const isFile = fileTypeOf(inode.mode) === 'file';
  view.setUint16(offset + INODE.format, (dataLayout << 1) | 1, true);
  view.setUint16(offset + INODE.xattrCount, xattrCountOf(xattrSize), true);
  view.setUint16(offset + INODE.mode, inode.mode, true);
  setUint64(view, offset + INODE.size, isFile ? inode.size : (layout.dataSize[index] as number));
  view.setUint32(offset + INODE.union, unionOf(source, index), true);
  view.setUint32(offset + INODE.number, index + 1, true);
  view.setUint32(offset + INODE.uid, inode.uid, true);
  view.setUint32(offset + INODE.gid, inode.gid, true);
  const seconds = inode.mtimeSeconds;
  const high = Math.floor(seconds / 2 ** 32);
  view.setUint32(offset + INODE.mtime, seconds - high * 2 ** 32, true);
  view.setInt32(offset + INODE.mtime + 4, high, true);
  view.setUint32(offset + INODE.mtimeNanoseconds, inode.mtimeNanoseconds, true);
  view.setUint32(offset + INODE.nlink, order.nlink[index] as number, true);
  if (xattrSize > 0) writeXattrs(source, index, window.bytes, offset + INODE_SIZE);
  const behind = offset + INODE_SIZE + xattrSize;
  if (dataLayout === LAYOUT.chunked) {
    const entries = Math.ceil(inode.size / CHUNK_MAP_SPAN);
    for (let i = 0; i < entries; i++) {
      view.setUint32(behind + i * CHUNK_MAP_ENTRY_SIZE, CHUNK_MAP_HOLE, true);
    }
  } else if (dataLayout === LAYOUT.inline && isDirectory(inode)) {
    const listing = new DirectoryListing(inode.entries ?? []);
    writeEntries(source, index, listing, layout.lastStart[index] as number, window, behind);
  } else if (dataLayout === LAYOUT.inline) {
    window.bytes.set(inode.target ?? [], behind);
  }
}

/** `i_u`: device number, chunk format or first data block. */
function unionOf({ order, layout }: ImageSource, index: number): number {
  const { mode, rdevMajor = 0, rdevMinor = 0 } = order.inodes[index] as Inode;
  const type = fileTypeOf(mode);
  if (type === 'character-device' || type === 'block-device') {
    return encodeDevice(rdevMajor, rdevMinor);
  }
  if (layout.layout[index] === LAYOUT.chunked) return CHUNK_FORMAT;
  return layout.startBlock[index] as number;
}

function writeXattrs(
  { order, table }: ImageSource,
  index: number,
  target: Uint8Array,
  offset: number,
): void {
  const content = table.contentOfInode[index] as number;
  const digest = content > 0 ? table.digests.subarray((content - 1) * 32, content * 32) : undefined;
  const xattrs = (order.inodes[index] as Inode).xattrs ?? [];
  if (xattrs.length === 0 && digest !== undefined) writeOverlayBody(target, offset, digest);
  else target.set(encodeXattrs(xattrs, digest), offset);
}

/** Writes one block of a directory and returns the position of the entry behind it. */
function writeEntries(
  { order, layout }: ImageSource,
  directory: number,
  listing: DirectoryListing,
  start: number,
  window: Window,
  offset: number,
): number {
  const firstChild = order.firstChild[directory] as number;
  const targetOf = (entry: number): DirentTarget => {
    let index = directory;
    if (entry === PARENT) index = order.parent[directory] as number;
    else if (entry !== SELF) index = order.children[firstChild + entry] as number;
    const { mode } = order.inodes[index] as Inode;
    return { nid: layout.nid[index] as number, type: direntTypeOf(mode) };
  };
  return writeDirectoryBlock(window, offset, listing, start, targetOf);
}
