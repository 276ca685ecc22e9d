/** The text twin (docs/format.md, section 9) straight from a mount index, one name at a time. */
import { dumpLine } from '../format/flist/dump.ts';
import { escapeBytes } from '../format/flist/escape.ts';
import { attributesOf } from '../format/index/attributes.ts';
import type { IndexInode } from '../format/index/reader.ts';
import type { Inode } from '../format/tree.ts';
import type { Image } from './open.ts';

type Source = Pick<Image, 'index' | 'contents'>;

/**
 * Lines without their newlines, the same as those of the image's tree.
 *
 * @throws ERR_FLIST_FORMAT
 */
export function* dumpImage(image: Source): Generator<string> {
  const links = new Map<number, number>();
  for (const entry of image.index.walk()) {
    const { inode, type } = entry;
    let link: number | undefined;
    if (type !== 'directory' && inode.nlink > 1) {
      link = links.get(inode.nid) ?? links.size + 1;
      links.set(inode.nid, link);
    }
    yield dumpLine(escapeBytes(entry.path()), plainInode(image, inode), link);
  }
}

/** An inode as trees have it, but for its entries. */
function plainInode({ index, contents }: Source, inode: IndexInode): Inode {
  const { rdevMajor, rdevMinor } = inode;
  const content = inode.type === 'file' ? contents.contentOf(inode.ino) : undefined;
  return {
    ...attributesOf(index, inode),
    rdevMajor,
    rdevMinor,
    ...(inode.type === 'symlink' && { target: index.readlink(inode.nid) }),
    ...(content !== undefined && { content: contents.toContent(content) }),
  };
}
