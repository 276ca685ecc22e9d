/**
 * Places the inodes of an ordered tree in a mount index image: position, data layout and data
 * blocks of each (docs/format.md, section 4). Pure.
 */
import { G8Error } from '../../base/errors.ts';
import type { Inode } from '../tree.ts';
import { planDirectory } from './directory.ts';
import {
  BLOCK_SIZE,
  CHUNK_MAP_ENTRY_SIZE,
  CHUNK_MAP_SPAN,
  fileTypeOf,
  INODE_SIZE,
  LAYOUT,
  ROOT_NID,
  roundUp,
  SLOT_SIZE,
} from './erofs-format.ts';
import type { TreeOrder } from './order.ts';
import { encodeXattrs, OVERLAY_BODY_SIZE } from './xattr.ts';

/** Inodes beyond this position would need node numbers above 32 bits: 128 GiB of metadata. */
const IMAGE_SIZE_MAX = 2 ** 32 * SLOT_SIZE;
/** What {@link ImageLayout.dataSize} holds: more than 16 million entries of the longest names. */
const DIRECTORY_SIZE_MAX = 0xffffffff;
const NO_DIGEST = new Uint8Array(32);

/** Arrays indexed by inode index. */
export interface ImageLayout {
  readonly nid: Uint32Array;
  /** Bytes of the xattr body behind each inode. */
  readonly xattrSize: Uint32Array;
  readonly layout: Uint8Array;
  /** `i_size` of directories and symlinks; files have their own. */
  readonly dataSize: Uint32Array;
  /** First data block, 0 for none. */
  readonly startBlock: Uint32Array;
  /** Directories: position of the first entry of the last block. */
  readonly lastStart: Uint32Array;
  /** Blocks of the whole image. */
  readonly blockCount: number;
}

/** @throws ERR_FLIST_FORMAT when xattrs or the whole tree exceed what the format can hold */
export function layoutImage(order: TreeOrder): ImageLayout {
  const count = order.inodes.length;
  const nid = new Uint32Array(count);
  const xattrSize = new Uint32Array(count);
  const layout = new Uint8Array(count);
  const dataSize = new Uint32Array(count);
  const startBlock = new Uint32Array(count);
  const lastStart = new Uint32Array(count);
  let position = ROOT_NID * SLOT_SIZE;
  for (let i = 0; i < count; i++) {
    const inode = order.inodes[i] as Inode;
    const type = fileTypeOf(inode.mode);
    const body = xattrBodySize(inode);
    xattrSize[i] = body;
    let behind = 0;
    if (type === 'directory') {
      const plan = planDirectory(inode.entries ?? []);
      if (plan.size > DIRECTORY_SIZE_MAX) throw tooLarge();
      dataSize[i] = plan.size;
      lastStart[i] = plan.lastStart;
    } else if (type === 'symlink') {
      dataSize[i] = inode.target?.length ?? 0;
    } else if (type === 'file' && inode.size > 0) {
      layout[i] = LAYOUT.chunked;
      behind = CHUNK_MAP_ENTRY_SIZE * Math.ceil(inode.size / CHUNK_MAP_SPAN);
    }
    const tail = (dataSize[i] as number) % BLOCK_SIZE;
    // The root's place is fixed, so only the rest of its block is its own.
    const room = i === 0 ? BLOCK_SIZE - ROOT_NID * SLOT_SIZE : BLOCK_SIZE;
    const isInline = tail > 0 && INODE_SIZE + body + tail <= room;
    if (isInline) {
      layout[i] = LAYOUT.inline;
      behind = tail;
    }
    const together = isInline ? INODE_SIZE + body + behind : INODE_SIZE;
    if ((position % BLOCK_SIZE) + together > BLOCK_SIZE) position = roundUp(position, BLOCK_SIZE);
    nid[i] = checkPosition(position) / SLOT_SIZE;
    position = roundUp(position + INODE_SIZE + body + behind, SLOT_SIZE);
  }
  let block = Math.ceil(position / BLOCK_SIZE);
  for (let i = 0; i < count; i++) {
    const blocks = dataBlocksOf(dataSize[i] as number, layout[i] as number);
    if (blocks > 0) startBlock[i] = block;
    block += blocks;
  }
  checkPosition(block * BLOCK_SIZE);
  return { nid, xattrSize, layout, dataSize, startBlock, lastStart, blockCount: block };
}

/** Blocks of a directory or symlink outside its inode. */
export function dataBlocksOf(dataSize: number, layout: number): number {
  return layout === LAYOUT.inline
    ? Math.floor(dataSize / BLOCK_SIZE)
    : Math.ceil(dataSize / BLOCK_SIZE);
}

function xattrBodySize(inode: Inode): number {
  const hasContent = fileTypeOf(inode.mode) === 'file' && inode.size > 0;
  const xattrs = inode.xattrs ?? [];
  if (xattrs.length === 0) return hasContent ? OVERLAY_BODY_SIZE : 0;
  return encodeXattrs(xattrs, hasContent ? NO_DIGEST : undefined).length;
}

function checkPosition(position: number): number {
  if (position >= IMAGE_SIZE_MAX) throw tooLarge();
  return position;
}

function tooLarge(): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', 'Tree needs more metadata than a mount index can hold');
}
