/** In what two entries of the same path differ. Pure, but for reading their mount indexes. */
import { compareBytes, equalBytes } from '../base/bytes.ts';
import type { IndexInode } from '../format/index/reader.ts';
import type { Xattr } from '../format/tree.ts';
import type { Image } from './open.ts';

/** What may differ, in the order in which it is shown. */
export const DIFF_FIELDS = [
  'type',
  'mode',
  'owner',
  'mtime',
  'size',
  'content',
  'target',
  'device',
  'links',
  'xattrs',
] as const;

export type DiffField = (typeof DIFF_FIELDS)[number];

/** An entry of one of two images. */
export interface Side {
  readonly image: Pick<Image, 'index' | 'contents'>;
  readonly inode: IndexInode;
}

export interface Differences {
  readonly fields: readonly DiffField[];
  /** Names of the attributes that only one has, or that differ. */
  readonly xattrs: readonly Uint8Array[];
}

/**
 * @param ignored what may differ without being told
 * @param isSameContent for two regular files; whoever compares many knows that more quickly than by reading
 *   both digests
 */
export function compareEntries(
  a: Side,
  b: Side,
  ignored: ReadonlySet<DiffField>,
  isSameContent: (a: Side, b: Side) => boolean = hasSameDigest,
): Differences | undefined {
  const xattrs = ignored.has('xattrs') ? [] : differentXattrs(a, b);
  const fields = DIFF_FIELDS.filter(
    (field) =>
      !ignored.has(field) &&
      (field === 'xattrs' ? xattrs.length > 0 : differs(field, a, b, isSameContent)),
  );
  return fields.length === 0 ? undefined : { fields, xattrs };
}

function differs(
  field: Exclude<DiffField, 'xattrs'>,
  a: Side,
  b: Side,
  isSameContent: (a: Side, b: Side) => boolean,
): boolean {
  const [one, two] = [a.inode, b.inode];
  // Across types only what all types have can be compared.
  const type = one.type === two.type ? one.type : undefined;
  switch (field) {
    case 'type':
      return type === undefined;
    case 'mode':
      // Permissions of symlinks are for nobody.
      return type !== 'symlink' && (one.mode & 0o7777) !== (two.mode & 0o7777);
    case 'owner':
      return one.uid !== two.uid || one.gid !== two.gid;
    case 'mtime':
      return one.mtimeSeconds !== two.mtimeSeconds || one.mtimeNanoseconds !== two.mtimeNanoseconds;
    case 'size':
      return type === 'file' && one.size !== two.size;
    case 'content':
      return type === 'file' && !isSameContent(a, b);
    case 'target':
      return (
        type === 'symlink' &&
        !equalBytes(a.image.index.readlink(one.nid), b.image.index.readlink(two.nid))
      );
    case 'device':
      return (
        type !== undefined && (one.rdevMajor !== two.rdevMajor || one.rdevMinor !== two.rdevMinor)
      );
    case 'links':
      // Those of a folder are its entries, which are compared themselves.
      return type !== undefined && type !== 'directory' && one.nlink !== two.nlink;
  }
}

function hasSameDigest(a: Side, b: Side): boolean {
  const [one, two] = [contentDigestOf(a), contentDigestOf(b)];
  if (one === undefined || two === undefined) return one === two;
  return equalBytes(one, two);
}

function contentDigestOf({ image, inode }: Side): Uint8Array | undefined {
  const index = image.contents.contentOf(inode.ino);
  return index === undefined ? undefined : image.contents.content(index).digest;
}

function differentXattrs(one: Side, two: Side): Uint8Array[] {
  const [{ index }, { nid }] = [one.image, one.inode];
  if (index.hasSameXattrBody(nid, two.image.index, two.inode.nid)) return [];
  // Both are sorted by name.
  const [a, b] = [index.xattrs(nid), two.image.index.xattrs(two.inode.nid)];
  const names: Uint8Array[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [one, two] = [a[i], b[j]];
    const order = one === undefined ? 1 : two === undefined ? -1 : compareBytes(one.name, two.name);
    const isSame = order === 0 && equalBytes((one as Xattr).value, (two as Xattr).value);
    if (!isSame) names.push((order <= 0 ? (one as Xattr) : (two as Xattr)).name);
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  return names;
}
