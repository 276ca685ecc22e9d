/** Random trees through a dump, back to a tree and to the same dump; and random damage to a dump. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../src/base/errors.ts';
import { dumpTree } from '../../src/format/flist/dump.ts';
import { parseDump } from '../../src/format/flist/parse-dump.ts';
import { buildMountIndex } from '../../src/format/index/writer.ts';
import { dumpImage } from '../../src/image/dump.ts';
import { fullTree } from '../support/full-trees.ts';
import { filesOf, openIndex } from '../support/index-trees.ts';
import { amount } from '../support/thorough.ts';

test('a dump that is read gives the same dump and the same image', async () => {
  await fc.assert(
    fc.asyncProperty(fullTree, async (root) => {
      const lines = [...dumpTree(root)];
      const again = await parseDump(lines);
      assert.deepEqual([...dumpTree(again)], lines);
      assert.deepEqual(buildMountIndex(again).rootDigest(), buildMountIndex(root).rootDigest());
    }),
    { numRuns: amount(75, 300) },
  );
});

test('a dump of an image is read to the same dump', async () => {
  await fc.assert(
    fc.asyncProperty(fullTree, async (root) => {
      const lines = [...dumpImage(openIndex(filesOf(buildMountIndex(root))))];
      assert.deepEqual([...dumpTree(await parseDump(lines))], lines);
    }),
    { numRuns: amount(75, 300) },
  );
});

test('a damaged dump is read or refused, and what is read has the same dump', async () => {
  const damage = fc.record({ at: fc.nat(), length: fc.nat(3), text: fc.string({ maxLength: 3 }) });
  await fc.assert(
    fc.asyncProperty(
      fullTree,
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      async (root, list) => {
        let text = [...dumpTree(root)].join('\n');
        for (const { at, length, text: piece } of list) {
          const start = at % (text.length + 1);
          text = text.slice(0, start) + piece + text.slice(start + length);
        }
        const lines = text.split('\n');
        try {
          assert.deepEqual([...dumpTree(await parseDump(lines))], lines);
        } catch (error) {
          if (!isG8Error(error, 'ERR_FLIST_FORMAT')) throw error;
          assert.match(error.message, /dump/);
        }
      },
    ),
    { numRuns: amount(250, 1000) },
  );
});
