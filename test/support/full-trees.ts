/** Random trees with all that a tree can have, for tests of formats. */
import fc from 'fast-check';
import { CODEC, DIGEST } from '../../src/base/codec.ts';
import type { Chunk, Content } from '../../src/format/content.ts';
import {
  type Inode,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
} from '../../src/format/tree.ts';
import { type Attributes, directory, HOLE, inode } from './index-trees.ts';

/** A latin1 string without NULs and slashes, now and then as long as may be. */
function text(max: number): fc.Arbitrary<string> {
  const short = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => {
    return Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x2d : byte)));
  });
  const size = fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max }));
  return fc.tuple(short, size).map(([bytes, length]) => {
    const pattern = bytes.toString('latin1');
    return length === 0 ? pattern : pattern.repeat(length).slice(0, length);
  });
}

const name = text(255).filter((n) => n !== '.' && n !== '..');
const target = text(4095);
const prefix = fc.constantFrom('user.', 'trusted.', 'security.', 'trusted.overlay.');
const value = fc.uint8Array({ maxLength: 600, size: 'max' });
const xattrs = fc.dictionary(
  fc.tuple(prefix, text(200)).map(([space, suffix]) => space + suffix),
  value,
  { maxKeys: 3 },
);
const attributes: fc.Arbitrary<Attributes> = fc.record({
  permissions: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xffffffff }),
  gid: fc.integer({ min: 0, max: 0xffffffff }),
  mtimeSeconds: fc.maxSafeInteger(),
  mtimeNanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  xattrs,
});

const content: fc.Arbitrary<Content> = fc
  .record({
    size: fc.integer({ min: 1, max: 100_000 }),
    blockSizeBits: fc.integer({ min: 12, max: 22 }),
    algorithm: fc.constantFrom(DIGEST.blake2b256, DIGEST.blake2b128, DIGEST.sha256),
    lost: fc.integer({ min: 0, max: 1 }),
    seed: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ size, blockSizeBits, algorithm, lost, seed }) => {
    const blockSize = 2 ** blockSizeBits;
    const count = Math.ceil(size / blockSize);
    const digestSize = algorithm === DIGEST.blake2b128 ? 16 : 32;
    const chunk = (i: number): Chunk => {
      if ((seed + i) % 3 === 0) return HOLE;
      const plainDigest = new Uint8Array(digestSize);
      // The size belongs to the digest, as it would if the bytes existed.
      new DataView(plainDigest.buffer).setFloat64(0, seed + i * 1009 + size * 2 ** 20);
      return { codec: CODEC.zstd, id: new Uint8Array(32).fill(7), plainDigest, storedSize: i };
    };
    const chunks = Array.from({ length: Math.max(0, count - lost) }, (_, i) => chunk(i));
    return { size, blockSize, algorithm, chunks };
  });

const leaf: fc.Arbitrary<Inode> = fc.oneof(
  fc.tuple(attributes, content).map(([own, data]) => {
    return inode(S_IFREG, { ...own, content: data, size: data.size });
  }),
  attributes.map((own) => inode(S_IFREG, own)),
  fc.tuple(attributes, target).map(([own, path]) => {
    return inode(S_IFLNK, { ...own, target: new Uint8Array(Buffer.from(path, 'latin1')) });
  }),
  fc
    .tuple(
      fc.constantFrom(S_IFCHR, S_IFBLK),
      attributes,
      fc.integer({ min: 0, max: 0xfff }),
      fc.integer({ min: 0, max: 0xfffff }),
    )
    .map(([type, own, rdevMajor, rdevMinor]) => inode(type, { ...own, rdevMajor, rdevMinor })),
  fc.tuple(fc.constantFrom(S_IFIFO, S_IFSOCK), attributes).map(([type, own]) => inode(type, own)),
);

interface Folder {
  readonly own: Attributes;
  readonly children: Map<string, Inode | Folder>;
}

/** What is put in a tree, one after the other: a file, a folder, or another name of a file. */
const step = fc.record({
  name,
  parent: fc.nat(),
  what: fc.oneof(
    { weight: 6, arbitrary: leaf.map((node) => ({ node })) },
    { weight: 3, arbitrary: attributes.map((own) => ({ own })) },
    { weight: 1, arbitrary: fc.nat().map((link) => ({ link })) },
  ),
});

/** Trees with every type of entry, hard links, attributes and contents. */
export const fullTree: fc.Arbitrary<Inode> = fc
  .tuple(attributes, fc.array(step, { maxLength: 60, size: 'max' }))
  .map(([own, steps]) => {
    const folders: Folder[] = [{ own, children: new Map() }];
    const files: Inode[] = [];
    for (const { name: key, parent, what } of steps) {
      const { children } = folders[parent % folders.length] as Folder;
      if (children.has(key)) continue;
      if ('own' in what) {
        const folder = { own: what.own, children: new Map() };
        folders.push(folder);
        children.set(key, folder);
      } else {
        const node = 'node' in what ? what.node : files[what.link % files.length];
        if (node === undefined) continue;
        files.push(node);
        children.set(key, node);
      }
    }
    return toDirectory(folders[0] as Folder);
  });

function toDirectory({ own, children }: Folder): Inode {
  const entries = [...children].map(([key, child]) => {
    return [key, 'children' in child ? toDirectory(child) : child] as const;
  });
  return directory(new Map(entries), own);
}
