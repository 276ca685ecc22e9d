/**
 * The metadata image that the kernel mounts for an image (docs/format.md, section 4): written anew from a
 * mount index, because the kernel trusts what it mounts and an index may come from anywhere. For an
 * index of our writer that gives the bytes of its `mount.erofs`. Pure and synchronous.
 */
import { compareBytes } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import type { ContentsReader } from './contents-reader.ts';
import { erofsPieces } from './erofs-image.ts';
import { layoutImage } from './layout.ts';
import { orderTree } from './order.ts';
import { readIndexTree } from './read-tree.ts';
import type { MountIndexReader } from './reader.ts';
import type { WalkEntry } from './walk.ts';

const DIGEST_SIZE = 32;

/**
 * @returns makes the pieces of the image, each time anew
 * @throws ERR_FLIST_FORMAT for a broken index; ERR_MOUNT for a tree that overlayfs cannot show
 */
export function kernelImage(
  index: MountIndexReader,
  contents: ContentsReader,
): () => Iterable<Uint8Array> {
  const { root, rows } = readIndexTree(index, contents, refuseWhiteout);
  const order = orderTree(root);
  const layout = layoutImage(order);
  const contentOfInode = Uint32Array.from(order.inodes, (inode) => rows.get(inode) ?? 0);
  const table = { digests: readDigests(contents), contentOfInode };
  return () => erofsPieces({ order, layout, table });
}

function refuseWhiteout(entry: WalkEntry): void {
  const { type, rdevMajor, rdevMinor } = entry.inode;
  if (type !== 'character-device' || rdevMajor !== 0 || rdevMinor !== 0) return;
  throw new G8Error(
    'ERR_MOUNT',
    `The image has a device 0:0 (${printable(entry.path())}), which overlayfs takes for a deleted name`,
  );
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
