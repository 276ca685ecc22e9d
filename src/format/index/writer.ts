/**
 * Builds the mount index of a tree: the three files that a mount works from (docs/format.md,
 * sections 4 to 7). A deterministic function of the tree; chunk ids, codecs and stored sizes only
 * show in `mount.chunks`. Pure and synchronous; the files come as pieces, so that nothing of their
 * size is held in memory.
 */
import type { Inode } from '../tree.ts';
import {
  chunksPieces,
  chunksSizeOf,
  collectContents,
  contentsPieces,
  contentsSizeOf,
} from './contents.ts';
import { BLOCK_SIZE, fileTypeOf } from './erofs-format.ts';
import { erofsPieces } from './erofs-image.ts';
import { layoutImage } from './layout.ts';
import { orderTree } from './order.ts';
import { rootDigest } from './root-digest.ts';

/** What a mount index holds, each inode, content and byte once. */
export interface MountIndexCounts {
  readonly inodes: number;
  readonly directories: number;
  readonly files: number;
  readonly symlinks: number;
  /** Devices, FIFOs and sockets. */
  readonly specials: number;
  readonly contents: number;
  /** Rows of the chunk table, holes included. */
  readonly chunks: number;
  /** Bytes of all regular files. */
  readonly fileBytes: number;
  /** Bytes of all contents. */
  readonly contentBytes: number;
}

/**
 * The files of a mount index. They are made while they are iterated, from the tree: it must not
 * change, and every call begins anew. Sizes are in bytes.
 */
export interface MountIndexImage {
  readonly erofs: () => Iterable<Uint8Array>;
  readonly erofsSize: number;
  readonly contents: () => Iterable<Uint8Array>;
  readonly contentsSize: number;
  readonly chunks: () => Iterable<Uint8Array>;
  readonly chunksSize: number;
  readonly counts: MountIndexCounts;
  /** Digest that names the tree; makes both files once more. */
  rootDigest(): Uint8Array;
}

/**
 * Builds the mount index of the tree below `root`.
 *
 * @throws ERR_FLIST_FORMAT when the tree breaks a rule of the format: names out of order, a
 *   directory with two names, a file whose content has another size, numbers out of range
 */
export function buildMountIndex(root: Inode): MountIndexImage {
  const order = orderTree(root);
  const layout = layoutImage(order);
  const table = collectContents(order.inodes);
  const types = countTypes(order.inodes);
  const erofs = () => erofsPieces({ order, layout, table });
  const contents = () => contentsPieces(table);
  return {
    erofs,
    erofsSize: layout.blockCount * BLOCK_SIZE,
    contents,
    contentsSize: contentsSizeOf(table),
    chunks: () => chunksPieces(table),
    chunksSize: chunksSizeOf(table),
    counts: {
      inodes: order.inodes.length,
      ...types,
      contents: table.contents.length,
      chunks: table.chunkCount,
      fileBytes: table.fileBytes,
      contentBytes: table.contentBytes,
    },
    rootDigest: () => rootDigest(erofs(), contents()),
  };
}

function countTypes(inodes: readonly Inode[]) {
  const counts = { directories: 0, files: 0, symlinks: 0, specials: 0 };
  for (const { mode } of inodes) {
    const type = fileTypeOf(mode);
    if (type === 'directory') counts.directories++;
    else if (type === 'file') counts.files++;
    else if (type === 'symlink') counts.symlinks++;
    else counts.specials++;
  }
  return counts;
}
