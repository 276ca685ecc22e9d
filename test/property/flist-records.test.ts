/**
 * Random trees through the records and back, and damaged records. fast-check prints the seed of a
 * failure.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes } from '../../src/base/bytes.ts';
import { CODEC, type Codec, DIGEST, type DigestAlgorithm } from '../../src/base/codec.ts';
import { isG8Error } from '../../src/base/errors.ts';
import type { Chunk, Content } from '../../src/format/content.ts';
import { dumpTree } from '../../src/format/flist/dump.ts';
import { readTree } from '../../src/format/flist/read-tree.ts';
import { mergeTrees, stackTrees } from '../../src/format/flist/stack.ts';
import { writeRecords } from '../../src/format/flist/write-records.ts';
import {
  type Dentry,
  type Inode,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  type Xattr,
} from '../../src/format/tree.ts';
import { MemoryDatabase } from '../support/flist-trees.ts';
import { amount } from '../support/thorough.ts';

const EMPTY = new Uint8Array(0);
const PLAIN_OBJECTS = { noNullPrototype: true };
const HOLE: Chunk = { codec: CODEC.hole, id: EMPTY, plainDigest: EMPTY, storedSize: 0 };

function unique<T extends { name: Uint8Array }>(items: readonly T[]): T[] {
  const sorted = [...items].sort((a, b) => compareBytes(a.name, b.name));
  return sorted.filter(
    ({ name }, i) => i === 0 || compareBytes((sorted[i - 1] as T).name, name) !== 0,
  );
}

const uint32 = fc.nat({ max: 2 ** 32 - 1 });
const bytesOf = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const name = bytesOf(1, 12)
  .map((bytes) => bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x41 : byte)))
  .filter((bytes) => !['.', '..'].includes(Buffer.from(bytes).toString('latin1')));
const xattrs = fc
  .array(fc.record({ name, value: bytesOf(0, 40) }, PLAIN_OBJECTS), { minLength: 1, maxLength: 3 })
  .map((items): Xattr[] => unique(items));

const stat = fc
  .record(
    {
      permissions: fc.nat({ max: 0o7777 }),
      uid: uint32,
      gid: uint32,
      mtimeSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      mtimeNanoseconds: fc.nat({ max: 999_999_999 }),
      xattrs,
    },
    { requiredKeys: ['permissions', 'uid', 'gid', 'mtimeSeconds', 'mtimeNanoseconds'] },
  )
  .map(({ permissions, ...rest }) => ({ ...rest, mode: permissions, size: 0 }));

const ID_SIZES: Record<Codec, number> = {
  [CODEC.hole]: 0,
  [CODEC.zstd]: 32,
  [CODEC.legacyG1]: 32,
  [CODEC.legacyG2]: 16,
  [CODEC.lost]: 0,
};

function contentOf(codec: Codec, algorithm: DigestAlgorithm): fc.Arbitrary<Content> {
  const size = ID_SIZES[codec];
  const id = bytesOf(size, size);
  const chunk = fc
    .record({ id, plainDigest: id, storedSize: fc.nat({ max: 4096 }) })
    .map((fields): Chunk => ({ ...fields, codec }));
  return fc
    .record({
      first: chunk,
      rest: fc.array(fc.oneof(chunk, fc.constant(HOLE)), { maxLength: 4 }),
      log2: fc.integer({ min: 12, max: 22 }),
      last: fc.integer({ min: 1, max: 4096 }),
    })
    .map(({ first, rest, log2, last }) => {
      const blockSize = 2 ** log2;
      const chunks = [first, ...rest];
      return { size: (chunks.length - 1) * blockSize + last, blockSize, algorithm, chunks };
    });
}

const content = fc.oneof(
  contentOf(CODEC.zstd, DIGEST.blake2b256),
  contentOf(CODEC.legacyG1, DIGEST.sha256),
  contentOf(CODEC.legacyG2, DIGEST.blake2b128),
);

const leaf: fc.Arbitrary<Inode> = fc.oneof(
  stat.map((fields) => ({ ...fields, mode: fields.mode | S_IFREG })),
  fc.tuple(stat, content).map(([fields, value]) => ({
    ...fields,
    mode: fields.mode | S_IFREG,
    size: value.size,
    content: value,
  })),
  fc
    .tuple(stat, name)
    .map(([fields, target]) => ({ ...fields, mode: fields.mode | S_IFLNK, target })),
  fc
    .tuple(stat, fc.constantFrom(S_IFCHR, S_IFBLK), uint32, uint32)
    .map(([fields, type, rdevMajor, rdevMinor]) => ({
      ...fields,
      mode: fields.mode | type,
      rdevMajor,
      rdevMinor,
    })),
  fc
    .tuple(stat, fc.constantFrom(S_IFIFO, S_IFSOCK))
    .map(([fields, type]) => ({ ...fields, mode: fields.mode | type })),
);

/** Trees whose leaves are drawn from a few inodes, so that some have several names. */
const tree: fc.Arbitrary<Inode> = fc.array(leaf, { minLength: 1, maxLength: 8 }).chain((leaves) => {
  const { root } = fc.letrec<{ root: Inode; child: Inode }>((tie) => ({
    root: fc
      .tuple(
        stat,
        fc.array(fc.record({ name, inode: tie('child') }, PLAIN_OBJECTS) as fc.Arbitrary<Dentry>, {
          maxLength: 6,
        }),
      )
      .map(([fields, entries]) => ({
        ...fields,
        mode: fields.mode | S_IFDIR,
        entries: unique(entries),
      })),
    child: fc.oneof({ maxDepth: 4 }, fc.constantFrom(...leaves), tie('root')),
  }));
  return root;
});

const dump = (root: Inode) => [...dumpTree(root)].join('\n');
const read = (root: Inode) => readTree(new MemoryDatabase(writeRecords(root)));

test('readTree() gives back every tree that writeRecords() wrote', () => {
  fc.assert(
    fc.property(tree, (root) => {
      const again = read(root);
      assert.deepEqual(again, root);
      // Equal dumps mean that hard links are the same, too.
      assert.equal(dump(again), dump(root));
    }),
    { numRuns: amount(75, 300) },
  );
});

test('writeRecords() writes a tree that was read as the same bytes', () => {
  fc.assert(
    fc.property(tree, (root) => {
      assert.deepEqual([...writeRecords(read(root))], [...writeRecords(root)]);
    }),
    { numRuns: amount(50, 100) },
  );
});

test('stacking and merging mirror each other, are idempotent and can go step by step', () => {
  fc.assert(
    fc.property(tree, tree, tree, (a, b, c) => {
      assert.equal(dump(stackTrees([a, b])), dump(mergeTrees([b, a])));
      assert.equal(dump(stackTrees([a, a])), dump(a));
      assert.equal(dump(mergeTrees([mergeTrees([a, b]), c])), dump(mergeTrees([a, b, c])));
    }),
    { numRuns: amount(50, 100) },
  );
});

test('readTree() answers damaged records with a G8Error or a tree, never otherwise', () => {
  const damage = fc.array(fc.tuple(uint32, uint32, fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(tree, damage, fc.boolean(), (root, hits, tolerant) => {
      const records = [...writeRecords(root)];
      for (const [which, where, byte] of hits) {
        const value = records[which % records.length]?.[1] as Uint8Array;
        value[where % value.length] = byte;
      }
      try {
        dump(readTree(new MemoryDatabase(records), { tolerant }));
      } catch (error) {
        if (!isG8Error(error)) throw error;
      }
    }),
    { numRuns: amount(500, 2000) },
  );
});

test('readTree() answers records that are cut off with a G8Error or a tree', () => {
  fc.assert(
    fc.property(tree, uint32, uint32, (root, which, size) => {
      const records = [...writeRecords(root)];
      const record = records[which % records.length] as [Uint8Array, Uint8Array];
      record[1] = record[1].subarray(0, size % record[1].length);
      try {
        readTree(new MemoryDatabase(records));
      } catch (error) {
        if (!isG8Error(error)) throw error;
      }
    }),
    { numRuns: amount(125, 500) },
  );
});
