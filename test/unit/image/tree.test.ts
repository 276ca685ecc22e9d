import assert from 'node:assert/strict';
import test from 'node:test';
import { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import { MountIndexReader } from '../../../src/format/index/reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { imageTree } from '../../../src/image/tree.ts';
import { filesOf, sampleTree } from '../../support/index-trees.ts';

test('imageTree() gives a tree from which the same index is made, contents included', () => {
  const files = filesOf(buildMountIndex(sampleTree()));
  const tree = imageTree({
    index: new MountIndexReader(bufferSource(files.erofs)),
    contents: new ContentsReader(bufferSource(files.contents), bufferSource(files.chunks)),
  });
  assert.deepEqual(filesOf(buildMountIndex(tree)), files);
});
