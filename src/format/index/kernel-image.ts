/**
 * The metadata image that the kernel mounts for an image (docs/format.md, section 4): written anew from a
 * mount index, because the kernel trusts what it mounts and an index may come from anywhere. For an
 * index of our writer that gives the bytes of its `mount.erofs`. Pure and synchronous.
 */
import { compareBytes } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import type { Dentry, Inode } from '../tree.ts';
import { attributesOf } from './attributes.ts';
import type { ContentsReader } from './contents-reader.ts';
import { erofsPieces } from './erofs-image.ts';
import { layoutImage } from './layout.ts';
import { orderTree } from './order.ts';
import type { IndexInode, MountIndexReader } from './reader.ts';

const DIGEST_SIZE = 32;

/**
 * @returns makes the pieces of the image, each time anew
 * @throws ERR_FLIST_FORMAT for a broken index; ERR_MOUNT for a tree that overlayfs cannot show
 */
export function kernelImage(
  index: MountIndexReader,
  contents: ContentsReader,
): () => Iterable<Uint8Array> {
  const { root, rows } = readTree(index, contents);
  const order = orderTree(root);
  const layout = layoutImage(order);
  const contentOfInode = Uint32Array.from(order.inodes, (inode) => rows.get(inode) ?? 0);
  const table = { digests: readDigests(contents), contentOfInode };
  return () => erofsPieces({ order, layout, table });
}

/** The tree without what its files contain, and for each file that has a content its row, from 1. */
function readTree(
  index: MountIndexReader,
  contents: ContentsReader,
): { root: Inode; rows: Map<Inode, number> } {
  const inodes = new Map<number, Inode & { readonly entries?: Dentry[] }>();
  const rows = new Map<Inode, number>();
  /** Folders from the root down to where the walk is. */
  const folders: Dentry[][] = [];
  let root: Inode | undefined;
  for (const entry of index.walk()) {
    const { name, nid, type, depth, inode: found } = entry;
    let inode = inodes.get(nid);
    if (inode === undefined) {
      if (found.type === 'character-device' && found.rdevMajor === 0 && found.rdevMinor === 0) {
        throw new G8Error(
          'ERR_MOUNT',
          `The image has a device 0:0 (${printable(entry.path())}), which overlayfs takes for a deleted name`,
        );
      }
      inode = toInode(index, found);
      inodes.set(nid, inode);
      if (type === 'file' && found.size > 0) rows.set(inode, rowOf(contents, found));
    }
    root ??= inode;
    if (depth > 0) folders[depth - 1]?.push({ name, inode });
    if (inode.entries !== undefined) folders[depth] = inode.entries;
  }
  return { root: root as Inode, rows };
}

function toInode(index: MountIndexReader, found: IndexInode): Inode & { entries?: Dentry[] } {
  const { nid, type, rdevMajor, rdevMinor } = found;
  return {
    ...attributesOf(index, found),
    ...(type === 'character-device' || type === 'block-device' ? { rdevMajor, rdevMinor } : {}),
    ...(type === 'symlink' ? { target: index.readlink(nid) } : {}),
    ...(type === 'directory' ? { entries: [] } : {}),
  };
}

function rowOf(contents: ContentsReader, { ino, size }: IndexInode): number {
  const row = contents.contentOf(ino);
  if (row === undefined || contents.content(row).size !== size) {
    throw new G8Error('ERR_FLIST_FORMAT', `Inode ${ino} has a content of another size`);
  }
  return row + 1;
}

/** Contents are looked for by bisection: one that is out of its place would never be found. */
function readDigests(contents: ContentsReader): Uint8Array {
  const digests = new Uint8Array(contents.totals().contents * DIGEST_SIZE);
  let previous: Uint8Array = new Uint8Array(0);
  for (const { index, digest } of contents.all()) {
    if (compareBytes(previous, digest) >= 0) {
      throw new G8Error('ERR_FLIST_FORMAT', 'Contents of the mount index are out of order');
    }
    digests.set(digest, index * DIGEST_SIZE);
    previous = digest;
  }
  return digests;
}

function printable(path: Uint8Array): string {
  return JSON.stringify(Buffer.from(path).toString('latin1'));
}
