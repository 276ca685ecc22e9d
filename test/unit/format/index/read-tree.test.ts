import assert from 'node:assert/strict';
import test from 'node:test';
import { ContentsReader } from '../../../../src/format/index/contents-reader.ts';
import { readWholeTree } from '../../../../src/format/index/read-tree.ts';
import { MountIndexReader } from '../../../../src/format/index/reader.ts';
import { bufferSource } from '../../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../../src/format/index/writer.ts';
import { filesOf, sampleTree } from '../../../support/index-trees.ts';

test('readWholeTree() gives a tree from which the same index is made, contents included', () => {
  const files = filesOf(buildMountIndex(sampleTree()));
  const read = readWholeTree(
    new MountIndexReader(bufferSource(files.erofs)),
    new ContentsReader(bufferSource(files.contents), bufferSource(files.chunks)),
  );
  assert.deepEqual(filesOf(buildMountIndex(read)), files);
});
