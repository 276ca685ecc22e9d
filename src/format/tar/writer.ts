/**
 * Writes a tree as a PAX archive: everything that the tree says, and for one tree always the same bytes.
 * Streams; contents come from a callback, one file at a time in the order of the archive. Pure but for that.
 *
 * Sockets cannot be in an archive. They are reported and left out.
 *
 * @see POSIX pax(1), pax interchange format; docs/format.md, section 10
 */
import { G8Error } from '../../base/errors.ts';
import type { Content } from '../content.ts';
import { isDevice } from '../flist/special.ts';
import {
  type Inode,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type Xattr,
} from '../tree.ts';
import { showTarName } from './malformed.ts';
import { aclToText } from './write-acl.ts';
import {
  encodeTarHeader,
  HEADER_ID_MAX,
  HEADER_NAME_SIZE_MAX,
  HEADER_SIZE_MAX,
  type HeaderFields,
  tarEnd,
  tarPadding,
} from './write-header.ts';
import { encodePaxHeader, type PaxRecord, paxTime, xattrKeyword } from './write-pax.ts';
import {
  contentRegions,
  encodeSparseMap,
  hasHoles,
  sparseHeaderName,
  sparseRecords,
} from './write-sparse.ts';

export interface WriteTreeOptions {
  /**
   * The bytes of a content, exactly `size` of them, holes as zeros. Asked for once for each regular file
   * that is not empty, in the order of {@link archivedContents}, each after the one before has ended.
   */
  readonly read: (content: Content, path: Uint8Array) => AsyncIterable<Uint8Array>;
  /** Leave holes out, in the form 1.0 of GNU tar. Default false: holes are zeros, which everybody reads. */
  readonly sparse?: boolean | undefined;
  /** Told of each entry that an archive cannot hold. */
  readonly onSkipped?: ((path: Uint8Array) => void) | undefined;
  /** Told of each entry before it is written. */
  readonly onEntry?: ((path: Uint8Array, inode: Inode) => void) | undefined;
  /** Told of the bytes of contents that have been taken. */
  readonly onBytes?: ((size: number) => void) | undefined;
}

const TYPEFLAG: Readonly<Record<number, string>> = {
  [S_IFREG]: '0',
  [S_IFLNK]: '2',
  [S_IFCHR]: '3',
  [S_IFBLK]: '4',
  [S_IFDIR]: '5',
  [S_IFIFO]: '6',
};
const TYPEFLAG_LINK = '1';

const ACL_KEYWORDS: Readonly<Record<string, string | undefined>> = Object.assign(
  Object.create(null),
  {
    'system.posix_acl_access': 'SCHILY.acl.access',
    'system.posix_acl_default': 'SCHILY.acl.default',
  },
);

const ROOT_PATH = Buffer.from('./');
const SLASH = Buffer.from('/');
const PLACEHOLDER = Buffer.from('entry');
const DELETE = 0x7f;

/**
 * The archive of a tree, its end marker included.
 *
 * @throws ERR_CREATE when a content gives another number of bytes than its file has; what `read` throws
 */
export async function* writeTree(
  root: Inode,
  options: WriteTreeOptions,
): AsyncGenerator<Uint8Array> {
  for (const { path, inode, firstPath } of archivedEntries(root)) {
    if ((inode.mode & S_IFMT) === S_IFSOCK) {
      options.onSkipped?.(path);
      continue;
    }
    options.onEntry?.(path, inode);
    if (firstPath !== undefined) {
      yield entryHeader(path, inode, { typeflag: TYPEFLAG_LINK, linkName: firstPath });
    } else if (inode.content === undefined) {
      yield entryHeader(path, inode, ownFields(inode));
    } else {
      yield* fileEntry(path, inode, inode.content, options);
    }
  }
  yield tarEnd();
}

/** Contents in the order in which {@link writeTree} asks for them. */
export function* archivedContents(root: Inode): Generator<Content> {
  for (const { inode, firstPath } of archivedEntries(root)) {
    if (firstPath === undefined && inode.content !== undefined) yield inode.content;
  }
}

interface ArchivedEntry {
  /** As the archive has it: relative, with a slash behind directories. */
  readonly path: Uint8Array;
  readonly inode: Inode;
  /** Of a further name of a file: the name that came first. */
  readonly firstPath: Uint8Array | undefined;
}

/** Depth first, each directory before its entries, without recursion. */
function* archivedEntries(root: Inode): Generator<ArchivedEntry> {
  const firstPaths = new Map<Inode, Uint8Array>();
  const linked = inodesWithSeveralNames(root);
  yield { path: ROOT_PATH, inode: root, firstPath: undefined };
  const stack = [{ path: Buffer.alloc(0), entries: root.entries ?? [], next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const entry = top.entries[top.next++];
    if (entry === undefined) {
      stack.pop();
      continue;
    }
    const { name, inode } = entry;
    if (inode.entries !== undefined) {
      const path = Buffer.concat([top.path, name, SLASH]);
      yield { path, inode, firstPath: undefined };
      stack.push({ path, entries: inode.entries, next: 0 });
      continue;
    }
    const path = Buffer.concat([top.path, name]);
    yield { path, inode, firstPath: firstPaths.get(inode) };
    if (linked.has(inode) && !firstPaths.has(inode)) firstPaths.set(inode, path);
  }
}

// Found first, so that paths are kept of these alone.
function inodesWithSeveralNames(root: Inode): Set<Inode> {
  const seen = new Set<Inode>();
  const several = new Set<Inode>();
  const directories = [root];
  for (let next = directories.pop(); next !== undefined; next = directories.pop()) {
    for (const { inode } of next.entries ?? []) {
      if (inode.entries !== undefined) directories.push(inode);
      else if (seen.has(inode)) several.add(inode);
      else seen.add(inode);
    }
  }
  return several;
}

function ownFields(inode: Inode): EntryFields {
  const { mode, target, rdevMajor = 0, rdevMinor = 0 } = inode;
  return {
    typeflag: TYPEFLAG[mode & S_IFMT] as string,
    ...(target !== undefined && { linkName: target }),
    ...(isDevice(mode) && { rdevMajor, rdevMinor }),
  };
}

async function* fileEntry(
  path: Uint8Array,
  inode: Inode,
  content: Content,
  { read, sparse = false, onBytes }: WriteTreeOptions,
): AsyncGenerator<Uint8Array> {
  const regions = sparse && hasHoles(content) ? contentRegions(content) : undefined;
  let size = inode.size;
  if (regions === undefined) {
    yield entryHeader(path, inode, { typeflag: '0', size });
  } else {
    const map = encodeSparseMap(regions);
    size = map.length + regions.reduce((sum, { length }) => sum + length, 0);
    const records = sparseRecords(path, inode.size);
    yield entryHeader(sparseHeaderName(path), inode, { typeflag: '0', size }, records);
    yield map;
  }
  const pieces = exactly(read(content, path), inode.size, path, onBytes);
  yield* regions === undefined ? pieces : piecesWithin(pieces, regions);
  const padding = tarPadding(size);
  if (padding.length > 0) yield padding;
}

/** Cuts away what is in no region. */
async function* piecesWithin(
  pieces: AsyncIterable<Uint8Array>,
  regions: readonly { readonly offset: number; readonly length: number }[],
): AsyncGenerator<Uint8Array> {
  let position = 0;
  let next = 0;
  for await (const piece of pieces) {
    const end = position + piece.length;
    for (let region = regions[next]; region !== undefined; region = regions[++next]) {
      const from = Math.max(region.offset, position);
      const to = Math.min(region.offset + region.length, end);
      if (from < to) yield piece.subarray(from - position, to - position);
      if (region.offset + region.length > end) break;
    }
    position = end;
  }
}

type EntryFields = Omit<HeaderFields, 'name' | 'mode' | 'uid' | 'gid' | 'mtime'>;

/** The header of an entry, behind an extended one with all that does not fit it. */
function entryHeader(
  path: Uint8Array,
  inode: Inode,
  fields: EntryFields,
  more: readonly PaxRecord[] = [],
): Uint8Array {
  const records: PaxRecord[] = [];
  const { linkName, size = 0 } = fields;
  const name = fitted(path, 'path', records);
  const link = linkName === undefined ? undefined : fitted(linkName, 'linkpath', records);
  // All names in it are bytes then, those of the sparse records included.
  if ([path, linkName].some((bytes) => bytes !== undefined && !isUtf8(bytes))) {
    records.unshift(['hdrcharset', 'BINARY']);
  }
  const uid = fittedNumber(inode.uid, 'uid', HEADER_ID_MAX, records);
  const gid = fittedNumber(inode.gid, 'gid', HEADER_ID_MAX, records);
  const headerSize = fittedNumber(size, 'size', HEADER_SIZE_MAX, records);
  const { mtimeSeconds, mtimeNanoseconds } = inode;
  const isWhole = mtimeNanoseconds === 0 && mtimeSeconds >= 0 && mtimeSeconds <= HEADER_SIZE_MAX;
  if (!isWhole) records.push(['mtime', paxTime(mtimeSeconds, mtimeNanoseconds)]);
  records.push(...more);
  if (fields.typeflag !== TYPEFLAG_LINK) {
    for (const xattr of inode.xattrs ?? []) records.push(...xattrRecords(xattr));
  }
  const header = encodeTarHeader({
    ...fields,
    name,
    ...(link && { linkName: link }),
    mode: inode.mode & 0o7777,
    uid,
    gid,
    size: headerSize,
    mtime: Math.min(Math.max(mtimeSeconds, 0), HEADER_SIZE_MAX),
  });
  return records.length === 0 ? header : Buffer.concat([encodePaxHeader(records), header]);
}

/** ACLs as text too: some programs take them from nowhere else. */
function* xattrRecords({ name, value }: Xattr): Generator<PaxRecord> {
  const keyword = ACL_KEYWORDS[Buffer.from(name).toString('latin1')];
  const text = keyword === undefined ? undefined : aclToText(value);
  if (keyword !== undefined && text !== undefined) yield [keyword, text];
  yield [xattrKeyword(name), value];
}

/** What the header's field says; a name that is long or not ASCII is in a record, which counts. */
function fitted(bytes: Uint8Array, keyword: 'path' | 'linkpath', records: PaxRecord[]): Uint8Array {
  const isPlain = bytes.every((byte) => byte < DELETE);
  if (isPlain && bytes.length <= HEADER_NAME_SIZE_MAX) return bytes;
  records.push([keyword, bytes]);
  return isPlain ? bytes.subarray(0, HEADER_NAME_SIZE_MAX) : PLACEHOLDER;
}

function fittedNumber(value: number, keyword: string, max: number, records: PaxRecord[]): number {
  if (value <= max) return value;
  records.push([keyword, String(value)]);
  return 0;
}

function isUtf8(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Buffer.compare(Buffer.from(text.toString('utf8')), text) === 0;
}

/** Passes on a content's bytes when there are exactly as many as the file has. */
async function* exactly(
  pieces: AsyncIterable<Uint8Array>,
  size: number,
  path: Uint8Array,
  onBytes: WriteTreeOptions['onBytes'],
): AsyncGenerator<Uint8Array> {
  let given = 0;
  for await (const piece of pieces) {
    given += piece.length;
    if (given > size) break;
    onBytes?.(piece.length);
    yield piece;
  }
  if (given !== size) {
    const name = showTarName(path);
    throw new G8Error('ERR_CREATE', `The content of ${name} does not have ${size} bytes`);
  }
}
