/**
 * Random trees through the mount index and back, and random damage to an index: reading it ends,
 * and ends in nothing but the errors of the table.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../src/base/errors.ts';
import { buildMountIndex } from '../../src/format/index/writer.ts';
import { fullTree } from '../support/full-trees.ts';
import {
  assertSame,
  describeIndex,
  describeTree,
  filesOf,
  type IndexFiles,
  openIndex,
  sampleTree,
} from '../support/index-trees.ts';
import { amount } from '../support/thorough.ts';

/** Reads all that there is to read. */
function readAll(files: IndexFiles): void {
  const { index, contents } = openIndex(files);
  for (const { nid, type } of index.walk()) {
    index.xattrs(nid);
    if (type === 'symlink') index.readlink(nid);
    const found = contents.contentOf(index.inode(nid).ino);
    if (found !== undefined) contents.toContent(found);
  }
}

describe('mount index', () => {
  test('gives back any tree', () => {
    fc.assert(
      fc.property(fullTree, (root) => {
        const { index, contents } = openIndex(filesOf(buildMountIndex(root)));
        assertSame(describeIndex(index, contents), describeTree(root));
      }),
      { numRuns: amount(50, 150) },
    );
  });

  test('finds every path of any tree', () => {
    fc.assert(
      fc.property(fullTree, (root) => {
        const { index } = openIndex(filesOf(buildMountIndex(root)));
        for (const entry of index.walk()) assert.equal(index.resolvePath(entry.path()), entry.nid);
      }),
      { numRuns: amount(50, 50) },
    );
  });

  const sample = filesOf(buildMountIndex(sampleTree()));
  for (const which of ['erofs', 'contents', 'chunks'] as const) {
    test(`reads a damaged mount.${which} to an end`, () => {
      const damage = fc.array(
        fc.tuple(
          fc.integer({ min: 0, max: sample[which].length - 1 }),
          fc.integer({ min: 0, max: 255 }),
        ),
        { minLength: 1, maxLength: 20 },
      );
      fc.assert(
        fc.property(damage, (changes) => {
          const bytes = Buffer.from(sample[which]);
          for (const [offset, byte] of changes) bytes[offset] = byte;
          try {
            readAll({ ...sample, [which]: bytes });
          } catch (error) {
            if (!isG8Error(error)) throw error;
          }
        }),
        { numRuns: amount(50, 150) },
      );
    });
  }

  test('reads a mount.erofs of damaged inodes to an end', () => {
    // Most bytes are xattr values, which may be anything: aim at numbers that others rely on.
    const { index } = openIndex(sample);
    const nids = [...index.walk()].map(({ nid }) => nid);
    const damage = fc.tuple(
      fc.constantFrom(...nids),
      fc.integer({ min: 0, max: 200 }),
      fc.integer({ min: 0, max: 255 }),
    );
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (changes) => {
        const erofs = Buffer.from(sample.erofs);
        for (const [nid, offset, byte] of changes) erofs[nid * 32 + offset] = byte;
        try {
          readAll({ ...sample, erofs });
        } catch (error) {
          if (!isG8Error(error)) throw error;
        }
      }),
      { numRuns: amount(75, 300) },
    );
  });
});
