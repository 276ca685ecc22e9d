/**
 * Trees for tests of the mount index: builders, one tree with every feature, and a description of
 * a tree that is made apart from the code under test, to compare with what an index says.
 */
import assert from 'node:assert/strict';
import { blake2b } from '../../src/base/blake2b.ts';
import { compareBytes, toHex } from '../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../src/base/codec.ts';
import type { Chunk, Content } from '../../src/format/content.ts';
import { contentDigest } from '../../src/format/index/content-digest.ts';
import { ContentsReader } from '../../src/format/index/contents-reader.ts';
import { MountIndexReader } from '../../src/format/index/reader.ts';
import { bufferSource } from '../../src/format/index/source.ts';
import type { MountIndexImage } from '../../src/format/index/writer.ts';
import {
  type Dentry,
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
} from '../../src/format/tree.ts';

export type Attributes = Partial<Omit<Inode, 'xattrs' | 'mode'>> & {
  readonly permissions?: number;
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
};

const BASE = { uid: 0, gid: 0, mtimeSeconds: 1_600_000_000, mtimeNanoseconds: 0, size: 0 };

/** Bytes of a string of characters up to U+00FF, one byte each. */
export function latin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** An inode of any type; xattrs are named in latin1. */
export function inode(type: number, attributes: Attributes = {}): Inode {
  const { permissions = 0o644, xattrs, ...rest } = attributes;
  const sorted: Xattr[] = Object.entries(xattrs ?? {})
    .map(([name, value]) => ({
      name: latin1(name),
      value: typeof value === 'string' ? latin1(value) : value,
    }))
    .sort((a, b) => compareBytes(a.name, b.name));
  const own = sorted.length > 0 ? { xattrs: sorted } : {};
  return { ...BASE, ...rest, mode: type | permissions, ...own };
}

/** A directory; names in latin1, sorted here. */
export function directory(
  children: Readonly<Record<string, Inode>> | ReadonlyMap<string, Inode>,
  attributes: Attributes = {},
): Inode {
  const pairs = children instanceof Map ? [...children] : Object.entries(children);
  const entries: Dentry[] = pairs
    .map(([name, child]) => ({ name: latin1(name), inode: child as Inode }))
    .sort((a, b) => compareBytes(a.name, b.name));
  return inode(S_IFDIR, { permissions: 0o755, ...attributes, entries });
}

/** A chunk whose digests are those of the given text. */
export function chunkOf(text: string): Chunk {
  const digest = blake2b(latin1(text), 32);
  return { codec: CODEC.zstd, id: blake2b(digest, 32), plainDigest: digest, storedSize: 7 };
}

export const HOLE: Chunk = {
  codec: CODEC.hole,
  id: new Uint8Array(0),
  plainDigest: new Uint8Array(0),
  storedSize: 0,
};

/** A content of that size whose chunks are named after `seed`, unless given. */
export function contentOf(seed: string, size: number, chunks?: readonly Chunk[]): Content {
  const blockSize = 512 * 1024;
  const made = () =>
    Array.from({ length: Math.ceil(size / blockSize) }, (_, i) => chunkOf(`${seed} ${i}`));
  return { size, blockSize, algorithm: DIGEST.blake2b256, chunks: chunks ?? made() };
}

/** A regular file whose content is named after `seed`. */
export function file(seed: string, size: number, attributes: Attributes = {}): Inode {
  const content = size > 0 ? { content: attributes.content ?? contentOf(seed, size) } : {};
  return inode(S_IFREG, { ...attributes, ...content, size });
}

export function symlink(target: string | Uint8Array, attributes: Attributes = {}): Inode {
  const bytes = typeof target === 'string' ? latin1(target) : target;
  return inode(S_IFLNK, { permissions: 0o777, ...attributes, target: bytes });
}

/** Value of `system.posix_acl_access` that also names user 1000. */
export const ACL = new Uint8Array(
  Buffer.from(
    '0200000001000700ffffffff02000500e803000004000500ffffffff10000700ffffffff20000400ffffffff',
    'hex',
  ),
);
/** Value of `security.capability`: cap_net_raw, effective. */
export const CAPABILITY = new Uint8Array(
  Buffer.from('0100000200200000000000000000000000000000', 'hex'),
);

/** A tree with every feature of the format, small enough to read. */
export function sampleTree(): Inode {
  const linked = file('linked', 5, { uid: 1000, gid: 1000 });
  const manyNames = new Map<string, Inode>();
  for (let i = 0; i < 300; i++) manyNames.set(`entry-${i}`, file(`many ${i % 7}`, 10 + (i % 7)));
  return directory({
    bin: directory({
      sh: symlink('busybox'),
      ping: file('ping', 76_672, {
        permissions: 0o755,
        xattrs: { 'security.capability': CAPABILITY },
      }),
      su: file('su', 71_912, { permissions: 0o4755 }),
    }),
    dev: directory({
      null: inode(S_IFCHR, { permissions: 0o666, rdevMajor: 1, rdevMinor: 3 }),
      huge: inode(S_IFCHR, { rdevMajor: 4095, rdevMinor: 1_048_575 }),
      sda: inode(S_IFBLK, { permissions: 0o660, rdevMajor: 8, rdevMinor: 256, gid: 6 }),
      fifo: inode(S_IFIFO),
      socket: inode(S_IFSOCK),
    }),
    etc: directory(
      {
        empty: file('', 0),
        passwd: linked,
        'passwd-': linked,
        acl: file('acl', 3, { xattrs: { 'system.posix_acl_access': ACL } }),
      },
      { xattrs: { 'system.posix_acl_default': ACL, 'user.comment': 'kept' } },
    ),
    names: directory({
      '!before-dot': file('bang', 1),
      '.-between': file('between', 1),
      '..more': file('more', 1),
      '-dash': file('dash', 1),
      'not-utf8-\xff\xfe': file('bytes', 1),
      'new\nline': file('newline', 1),
      ['n'.repeat(255)]: file('long', 1),
    }),
    links: directory({
      hard: linked,
      long: symlink('l'.repeat(4095)),
      middle: symlink('m'.repeat(4000), { xattrs: { 'trusted.note': 'v'.repeat(100) } }),
      'not-utf8': symlink('\xff\xfe'),
    }),
    many: directory(manyNames, { permissions: 0o1777 }),
    sizes: directory({
      big: file('big', 3 * 1024 * 1024),
      holes: file('', 2 * 1024 * 1024, {
        content: contentOf('', 2 * 1024 * 1024, [HOLE, chunkOf('data'), HOLE, HOLE]),
      }),
      zeros: file('', 100, { content: contentOf('', 100, [HOLE]) }),
      lost: file('', 1024 * 1024, { content: contentOf('', 1024 * 1024, [chunkOf('kept')]) }),
      legacy: file('', 600_000, {
        content: {
          size: 600_000,
          blockSize: 512 * 1024,
          algorithm: DIGEST.blake2b128,
          chunks: ['a', 'b'].map((text) => ({
            codec: CODEC.legacyG2,
            id: blake2b(latin1(`${text} id`), 16),
            plainDigest: blake2b(latin1(text), 16),
            storedSize: 0,
          })),
        },
      }),
    }),
    times: directory({
      before1970: file('old', 1, { mtimeSeconds: -1, mtimeNanoseconds: 999_999_999 }),
      ancient: file('older', 1, { mtimeSeconds: -5_000_000_000, mtimeNanoseconds: 1 }),
      after2106: file('new', 1, { mtimeSeconds: 5_000_000_000, mtimeNanoseconds: 123_456_789 }),
    }),
    ids: directory({}, { uid: 4_294_967_294, gid: 4_294_967_294 }),
    xattrs: directory({
      overlay: file('overlay', 1, {
        xattrs: { 'trusted.overlay.opaque': 'y', 'trusted.overlayx': 'z', 'trusted.a': '' },
      }),
      large: file('large', 1, {
        xattrs: {
          'user.large': new Uint8Array(65535).fill(0x61),
          'user.larger': new Uint8Array(65000).fill(0x62),
          [`user.${'n'.repeat(250)}`]: 'longest name',
        },
      }),
      list: directory({}, { xattrs: { 'user.block': new Uint8Array(5000).fill(0x63) } }),
    }),
  });
}

/** What a tree shows under one name. Bytes are in latin1, binary values in hex. */
export interface Description {
  readonly path: string;
  readonly mode: string;
  readonly owner: string;
  readonly nlink: number;
  readonly mtime: string;
  /** Only for regular files. */
  readonly size?: number;
  readonly content?: string;
  readonly rdev?: string;
  readonly target?: string;
  readonly xattrs?: Readonly<Record<string, string>>;
  /** First path of the inode, when it has several names. */
  readonly linkOf?: string;
}

/** Every name of a tree in pre-order, described from the tree itself. */
export function describeTree(root: Inode): Description[] {
  const found: { path: string; node: Inode }[] = [];
  const pending = [{ path: '', node: root }];
  const names = new Map<Inode, number>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    found.push(next);
    names.set(next.node, (names.get(next.node) ?? 0) + 1);
    for (const { name, inode: node } of [...(next.node.entries ?? [])].reverse()) {
      pending.push({ path: `${next.path}/${Buffer.from(name).toString('latin1')}`, node });
    }
  }
  const first = new Map<Inode, string>();
  return found.map(({ path, node }) => {
    const isDirectory = (node.mode & S_IFMT) === S_IFDIR;
    const children = (node.entries ?? []).filter(
      ({ inode: { mode } }) => (mode & S_IFMT) === S_IFDIR,
    );
    const nlink = isDirectory ? 2 + children.length : (names.get(node) ?? 0);
    const linkOf = first.get(node);
    if (linkOf === undefined) first.set(node, path || '/');
    const isDevice = [S_IFCHR, S_IFBLK].includes(node.mode & S_IFMT);
    return describe({
      path: path || '/',
      inode: { ...node, nlink, isRegular: (node.mode & S_IFMT) === S_IFREG, isDevice },
      content: node.size > 0 && node.content ? contentDigest(node.content) : undefined,
      target: node.target,
      xattrs: node.xattrs ?? [],
      linkOf,
    });
  });
}

/** The same, read from a mount index. */
export function describeIndex(index: MountIndexReader, contents: ContentsReader): Description[] {
  const first = new Map<number, string>();
  const descriptions: Description[] = [];
  for (const entry of index.walk()) {
    const path = Buffer.from(entry.path()).toString('latin1');
    const found = index.inode(entry.nid);
    const linkOf = first.get(entry.nid);
    if (linkOf === undefined) first.set(entry.nid, path);
    const content = contents.contentOf(found.ino);
    descriptions.push(
      describe({
        path,
        inode: {
          ...found,
          isRegular: found.type === 'file',
          isDevice: found.type.endsWith('device'),
        },
        content: content === undefined ? undefined : contents.content(content).digest,
        target: entry.type === 'symlink' ? index.readlink(entry.nid) : undefined,
        xattrs: index.xattrs(entry.nid),
        linkOf,
      }),
    );
  }
  return descriptions;
}

/** Compares name by name, so that a difference in one is not lost among thousands. */
export function assertSame(actual: readonly Description[], expected: readonly Description[]): void {
  const paths = (from: readonly Description[]) => from.map(({ path }) => path);
  assert.deepEqual(paths(actual), paths(expected));
  for (const [i, description] of expected.entries()) assert.deepEqual(actual[i], description);
}

function describe(from: {
  path: string;
  inode: Pick<Inode, 'mode' | 'uid' | 'gid' | 'size' | 'mtimeSeconds' | 'mtimeNanoseconds'> & {
    nlink: number;
    rdevMajor?: number;
    rdevMinor?: number;
    isRegular: boolean;
    isDevice: boolean;
  };
  content: Uint8Array | undefined;
  target: Uint8Array | undefined;
  xattrs: readonly Xattr[];
  linkOf: string | undefined;
}): Description {
  const { path, inode: node, content, target, xattrs, linkOf } = from;
  const pairs = xattrs.map(({ name, value }) => {
    return [Buffer.from(name).toString('latin1'), toHex(value)] as const;
  });
  return {
    path,
    mode: node.mode.toString(8),
    owner: `${node.uid}:${node.gid}`,
    nlink: node.nlink,
    mtime: `${node.mtimeSeconds}.${String(node.mtimeNanoseconds).padStart(9, '0')}`,
    ...(node.isRegular ? { size: node.size } : {}),
    ...(content ? { content: toHex(content) } : {}),
    ...(node.isDevice ? { rdev: `${node.rdevMajor}:${node.rdevMinor}` } : {}),
    ...(target ? { target: Buffer.from(target).toString('latin1') } : {}),
    ...(pairs.length > 0 ? { xattrs: Object.fromEntries(pairs) } : {}),
    ...(linkOf ? { linkOf } : {}),
  };
}

/** The three files of an index as bytes. */
export interface IndexFiles {
  readonly erofs: Buffer<ArrayBuffer>;
  readonly contents: Buffer<ArrayBuffer>;
  readonly chunks: Buffer<ArrayBuffer>;
}

export function filesOf(image: MountIndexImage): IndexFiles {
  return {
    erofs: Buffer.concat([...image.erofs()]),
    contents: Buffer.concat([...image.contents()]),
    chunks: Buffer.concat([...image.chunks()]),
  };
}

/** Readers over files in memory. */
export function openIndex(files: IndexFiles): {
  index: MountIndexReader;
  contents: ContentsReader;
} {
  return {
    index: new MountIndexReader(bufferSource(files.erofs)),
    contents: new ContentsReader(bufferSource(files.contents), bufferSource(files.chunks)),
  };
}
