/**
 * The tree of an opened flist, or of one of its folders, as values: what writers of other forms work from.
 * Reads the mount index once; the tree is in memory then. Without recursion, however deep it is.
 */

import { G8Error } from '../base/errors.ts';
import type { Content } from '../format/content.ts';
import { attributesOf } from '../format/index/attributes.ts';
import type { IndexEntry, IndexInode } from '../format/index/reader.ts';
import type { Dentry, Inode } from '../format/tree.ts';
import type { Image } from './open.ts';

type Source = Pick<Image, 'index' | 'contents'>;

interface Level {
  readonly inode: IndexInode;
  readonly entries: Iterator<IndexEntry>;
  readonly children: Dentry[];
  /** Name of the entry that is being built. */
  name: Uint8Array;
}

/**
 * @param nid node number of the inode that becomes the root; default the root of the image
 * @throws ERR_FLIST_FORMAT for whatever is malformed in it, a directory with two names included
 */
export function imageTree(image: Source, nid = image.index.root()): Inode {
  const inodes = new InodeBuilder(image);
  const top = image.index.inode(nid);
  if (top.type !== 'directory') return inodes.build(top);
  const seen = new Set<number>([nid]);
  const enter = (inode: IndexInode): Level => ({
    inode,
    entries: image.index.readdir(inode.nid),
    children: [],
    name: new Uint8Array(0),
  });
  const levels = [enter(top)];
  for (;;) {
    const level = levels.at(-1) as Level;
    const next = level.entries.next();
    if (next.done === true) {
      const directory = inodes.directory(level.inode, level.children);
      levels.pop();
      const parent = levels.at(-1);
      if (parent === undefined) return directory;
      parent.children.push({ name: parent.name, inode: directory });
      continue;
    }
    const { name, nid: childNid, type } = next.value;
    const child = image.index.inode(childNid);
    if (child.type !== type) throw malformed('an entry has another type than its inode');
    if (type !== 'directory') {
      level.children.push({ name, inode: inodes.build(child) });
      continue;
    }
    if (seen.has(childNid)) throw malformed('a directory has two names');
    seen.add(childNid);
    level.name = name;
    levels.push(enter(child));
  }
}

/** Makes each inode and each content once. */
class InodeBuilder {
  readonly #image: Source;
  readonly #inodes = new Map<number, Inode>();
  readonly #contents = new Map<number, Content>();

  constructor(image: Source) {
    this.#image = image;
  }

  directory(inode: IndexInode, entries: readonly Dentry[]): Inode {
    return { ...attributesOf(this.#image.index, inode), entries };
  }

  build(inode: IndexInode): Inode {
    const known = inode.nlink > 1 ? this.#inodes.get(inode.nid) : undefined;
    if (known !== undefined) return known;
    const { rdevMajor, rdevMinor } = inode;
    const isDevice = inode.type === 'character-device' || inode.type === 'block-device';
    const content = inode.type === 'file' ? this.#content(inode) : undefined;
    const built: Inode = {
      ...attributesOf(this.#image.index, inode),
      ...(inode.type === 'symlink' && { target: this.#image.index.readlink(inode.nid) }),
      ...(isDevice && { rdevMajor, rdevMinor }),
      ...(content !== undefined && { content }),
    };
    if (inode.nlink > 1) this.#inodes.set(inode.nid, built);
    return built;
  }

  #content({ ino, size }: IndexInode): Content | undefined {
    const index = this.#image.contents.contentOf(ino);
    const content = index === undefined ? undefined : this.#contentAt(index);
    if ((content?.size ?? 0) !== size) throw malformed('a file and its content differ in size');
    return content;
  }

  #contentAt(index: number): Content {
    const known = this.#contents.get(index);
    if (known !== undefined) return known;
    const content = this.#image.contents.toContent(index);
    this.#contents.set(index, content);
    return content;
  }
}

function malformed(reason: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `mount.erofs is malformed: ${reason}`);
}
