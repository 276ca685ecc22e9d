/**
 * Random trees through everything that images are made of and turned into: archive → flist → folder →
 * flist → archive. The archives are the same bytes and the flists the same tree, or something was lost on
 * the way. Needs root, for owners and devices. fast-check prints the seed of a failure.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes } from '../../src/base/bytes.ts';
import { DIGEST } from '../../src/base/codec.ts';
import { dumpTree } from '../../src/format/flist/dump.ts';
import { writeTree } from '../../src/format/tar/writer.ts';
import {
  type Dentry,
  type Inode,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  type Xattr,
} from '../../src/format/tree.ts';
import { createFlist } from '../../src/image/create.ts';
import { loadFlist } from '../../src/image/load.ts';
import { readContent } from '../../src/image/read.ts';
import { restoreTree } from '../../src/image/restore.ts';
import { LayersSource } from '../../src/image/source/layers.ts';
import { streamLayer } from '../../src/image/source/tar.ts';
import { addon } from '../../src/native/load.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { amount } from '../support/thorough.ts';

const NOT_ROOT = process.getuid?.() !== 0 && 'needs root';
const CASES = amount(200, 1000);
const BLOCK_SIZE = 4096;
const PLAIN_OBJECTS = { noNullPrototype: true };

const bytesOf = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
/** Any bytes that Linux takes for a name; some longer than a header of an archive holds. */
const name = fc
  .oneof({ weight: 9, arbitrary: bytesOf(1, 9) }, bytesOf(90, 255))
  .map((bytes) => bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x41 : byte)))
  .filter((bytes) => !['.', '..'].includes(Buffer.from(bytes).toString('latin1')));
const id = fc.nat({ max: 2 ** 32 - 2 });

function xattrsIn(...namespaces: readonly string[]): fc.Arbitrary<readonly Xattr[]> {
  const keyword = fc
    .tuple(
      fc.constantFrom(...namespaces),
      fc.string({ minLength: 1, maxLength: 9, unit: 'grapheme-ascii' }),
    )
    .map(([namespace, rest]) => new Uint8Array(Buffer.from(`${namespace}${rest}`)));
  return fc
    .array(fc.record({ name: keyword, value: bytesOf(0, 40) }, PLAIN_OBJECTS), { maxLength: 2 })
    .map((items) => unique(items));
}

const stat = fc.record(
  {
    permissions: fc.nat({ max: 0o7777 }),
    uid: id,
    gid: id,
    // What ext4 keeps.
    mtimeSeconds: fc.integer({ min: 1 - 2 ** 31, max: 2 ** 33 }),
    mtimeNanoseconds: fc.nat({ max: 999_999_999 }),
  },
  PLAIN_OBJECTS,
);

function inodeOf(type: number, xattrs: fc.Arbitrary<readonly Xattr[]>): fc.Arbitrary<Inode> {
  return fc.tuple(stat, xattrs).map(([{ permissions, ...rest }, list]) => ({
    ...rest,
    mode: type | permissions,
    size: 0,
    ...(list.length > 0 && { xattrs: list }),
  }));
}

// Linux keeps attributes of users to files and folders.
const ANY = xattrsIn('user.', 'trusted.');
const TRUSTED = xattrsIn('trusted.');

interface Bytes {
  readonly bytes: Uint8Array;
}

/** The chunks of a tree that was never chunked are of no interest: only its bytes are asked for. */
const file = fc
  .tuple(inodeOf(S_IFREG, ANY), fc.nat({ max: 3 * BLOCK_SIZE }), fc.nat({ max: 7 }))
  .map(([inode, size, seed]): Inode => {
    if (size === 0) return inode;
    const bytes = new Uint8Array(size).map((_, i) => (i < BLOCK_SIZE ? i : 0) * seed);
    const content = {
      size,
      blockSize: BLOCK_SIZE,
      algorithm: DIGEST.blake2b256,
      chunks: [],
      bytes,
    };
    return { ...inode, size, content };
  });
const symlink = fc
  .tuple(inodeOf(S_IFLNK, TRUSTED), name)
  .map(([inode, target]): Inode => ({ ...inode, mode: S_IFLNK | 0o777, target }));
const device = fc
  .tuple(
    fc.oneof(inodeOf(S_IFCHR, TRUSTED), inodeOf(S_IFBLK, TRUSTED)),
    fc.nat({ max: 2 ** 12 - 1 }),
    fc.nat({ max: 2 ** 20 - 1 }),
  )
  .map(([inode, rdevMajor, rdevMinor]): Inode => ({ ...inode, rdevMajor, rdevMinor }));
const leaf = fc.oneof({ weight: 4, arbitrary: file }, symlink, device, inodeOf(S_IFIFO, TRUSTED));

/** Leaves are drawn from a few inodes, so that some have several names. */
const tree: fc.Arbitrary<Inode> = fc.array(leaf, { minLength: 1, maxLength: 6 }).chain((leaves) => {
  const { root } = fc.letrec<{ root: Inode; child: Inode }>((tie) => ({
    root: fc
      .tuple(
        inodeOf(S_IFDIR, ANY),
        fc.array(fc.record({ name, inode: tie('child') }, PLAIN_OBJECTS) as fc.Arbitrary<Dentry>, {
          maxLength: 5,
        }),
      )
      .map(([inode, entries]) => ({ ...inode, entries: unique(entries) })),
    child: fc.oneof({ maxDepth: 4 }, fc.constantFrom(...leaves), tie('root')),
  }));
  return root;
});

function unique<T extends { name: Uint8Array }>(items: readonly T[]): T[] {
  const sorted = [...items].sort((a, b) => compareBytes(a.name, b.name));
  return sorted.filter(
    ({ name: own }, i) => i === 0 || compareBytes((sorted[i - 1] as T).name, own) !== 0,
  );
}

async function archiveOf(
  root: Inode,
  read: Parameters<typeof writeTree>[1]['read'],
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeTree(root, { read })) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test('archive → flist → folder → flist → archive keeps everything of any tree', {
  skip: NOT_ROOT,
}, async (context) => {
  const dir = temporaryDirectory(context);
  const [first, second, folder] = ['a.flist', 'b.flist', 'tree'].map((part) => join(dir, part)) as [
    string,
    string,
    string,
  ];
  const codec = addon();
  await fc.assert(
    fc.asyncProperty(tree, async (root) => {
      const store = new MemoryStore();
      const shared = { store, addon: codec, blockSize: BLOCK_SIZE, compression: 'none' } as const;
      const archive = await archiveOf(root, (content) =>
        once((content as typeof content & Bytes).bytes),
      );
      const source = new LayersSource({
        name: 'archive',
        layers: [streamLayer('archive', once(archive))],
        whiteouts: false,
      });
      const a = await createFlist({ ...shared, source, output: first });
      const loaded = await loadFlist(first, { codec });
      rmSync(folder, { recursive: true, force: true });
      await restoreTree(loaded.root, folder, { store, addon: codec });
      const b = await createFlist({ ...shared, source: folder, output: second });
      const again = await loadFlist(second, { codec });
      assert.deepEqual([...dumpTree(again.root)], [...dumpTree(loaded.root)]);
      assert.equal(b.rootDigest, a.rootDigest);
      const last = await archiveOf(again.root, (content) => readContent(content, { store, codec }));
      assert.ok(last.equals(archive), 'the archives are not the same bytes');
    }),
    { numRuns: CASES },
  );
});
