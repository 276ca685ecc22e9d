import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CODEC } from '../../../../src/base/codec.ts';
import { isG8Error } from '../../../../src/base/errors.ts';
import type { Content } from '../../../../src/format/content.ts';
import { contentDigest } from '../../../../src/format/index/content-digest.ts';
import { ContentsReader } from '../../../../src/format/index/contents-reader.ts';
import { bufferSource } from '../../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../../src/format/index/writer.ts';
import {
  chunkOf,
  contentOf,
  directory,
  file,
  filesOf,
  HOLE,
  type IndexFiles,
  openIndex,
  sampleTree,
} from '../../../support/index-trees.ts';

const BLOCK = 524_288;

/** Index files of one file with that content. */
function filesWith(content: Content): IndexFiles {
  return filesOf(buildMountIndex(directory({ only: file('', content.size, { content }) })));
}

function open({ contents, chunks }: Pick<IndexFiles, 'contents' | 'chunks'>): ContentsReader {
  return new ContentsReader(bufferSource(contents), bufferSource(chunks));
}

function isFormatError(error: unknown): boolean {
  return isG8Error(error, 'ERR_FLIST_FORMAT') && typeof error.details['offset'] === 'number';
}

describe('ContentsReader', () => {
  test('gives a content back as it was', () => {
    const content = contentOf('whole', 3 * BLOCK + 1);
    assert.deepEqual(open(filesWith(content)).toContent(0), content);
  });

  test('sums up', () => {
    const root = directory({ a: file('a', 10), b: file('b', BLOCK + 1), c: file('a', 10) });
    assert.deepEqual(openIndex(filesOf(buildMountIndex(root))).contents.totals(), {
      inodes: 4,
      contents: 2,
      chunks: 3,
      fileBytes: BLOCK + 21,
      contentBytes: BLOCK + 11,
    });
  });

  test('contentOf() is undefined for an inode without content', () => {
    const reader = open(filesWith(contentOf('x', 1)));
    assert.equal(reader.contentOf(1), undefined);
    assert.equal(reader.contentOf(2), 0);
  });

  test('contentOf() refuses numbers that no inode has', () => {
    const reader = open(filesWith(contentOf('x', 1)));
    for (const ino of [0, 3, -1, Number.NaN]) {
      assert.throws(() => reader.contentOf(ino), isFormatError);
    }
  });

  test('content() counts bytes outside holes', () => {
    const content = contentOf('', 2 * BLOCK + 7, [HOLE, chunkOf('x'), HOLE]);
    assert.equal(open(filesWith(content)).content(0).dataBytes, BLOCK);
  });

  test('chunk() tells holes', () => {
    const content = contentOf('', 2 * BLOCK, [HOLE, chunkOf('x')]);
    assert.deepEqual(open(filesWith(content)).chunk(0, 0), HOLE);
  });

  test('chunk() tells chunks that a broken flist does not name', () => {
    const content = contentOf('', 3 * BLOCK, [chunkOf('x')]);
    const reader = open(filesWith(content));
    const codecs = [0, 1, 2].map((i) => reader.chunk(0, i).codec);
    assert.deepEqual(codecs, [CODEC.zstd, CODEC.lost, CODEC.lost]);
  });

  test('chunk() refuses an index behind the last chunk', () => {
    assert.throws(() => open(filesWith(contentOf('x', 1))).chunk(0, 1), RangeError);
  });

  test('toContent() leaves lost chunks out, as trees do', () => {
    const content = contentOf('', 3 * BLOCK, [chunkOf('x')]);
    assert.deepEqual(open(filesWith(content)).toContent(0), content);
  });

  test('lost chunks survive another round', () => {
    const once = filesWith(contentOf('', 3 * BLOCK, [chunkOf('x')]));
    assert.deepEqual(filesWith(open(once).toContent(0)), once);
  });

  test('keeps contents in byte order of the digest and finds each', () => {
    const { contents } = openIndex(filesOf(buildMountIndex(sampleTree())));
    const { contents: count } = contents.totals();
    let previous = Buffer.alloc(0);
    for (let i = 0; i < count; i++) {
      const digest = Buffer.from(contents.content(i).digest);
      assert.ok(Buffer.compare(previous, digest) < 0);
      assert.equal(contents.findByDigest(digest), i);
      previous = digest;
    }
  });

  test('findByDigest() is undefined for an unknown digest', () => {
    const { contents } = openIndex(filesOf(buildMountIndex(sampleTree())));
    for (const byte of [0, 0x80, 0xff]) {
      assert.equal(contents.findByDigest(new Uint8Array(32).fill(byte)), undefined);
    }
  });

  test('names a content by its digest', () => {
    const content = contentOf('named', 5 * BLOCK);
    assert.deepEqual(open(filesWith(content)).content(0).digest, contentDigest(content));
  });

  test('refuses a later version', () => {
    const files = filesWith(contentOf('x', 1));
    files.contents.writeUInt32LE(2, 8);
    assert.throws(
      () => open(files),
      (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
    );
  });

  const headers: Readonly<Record<string, (files: IndexFiles) => void>> = {
    'another magic': ({ contents }) => contents.write('g', 0),
    'version 0': ({ contents }) => contents.writeUInt32LE(0, 8),
    'another header size': ({ contents }) => contents.writeUInt32LE(64, 12),
    'more inodes': ({ contents }) => contents.writeUInt32LE(100, 16),
    'a count above 2^53': ({ contents }) => contents.writeUInt32LE(0x200000, 28),
    'tables elsewhere': ({ contents }) => contents.writeUInt32LE(8, 48),
    'another magic of locations': ({ chunks }) => chunks.write('g', 0),
    'another count of locations': ({ chunks }) => chunks.writeUInt32LE(2, 16),
  };
  for (const [what, change] of Object.entries(headers)) {
    test(`refuses a header with ${what}`, () => {
      const files = filesWith(contentOf('x', 1));
      change(files);
      assert.throws(() => open(files), isFormatError);
    });
  }

  for (const name of ['contents', 'chunks'] as const) {
    test(`refuses mount.${name} without its last byte`, () => {
      const files = filesWith(contentOf('x', 1));
      assert.throws(() => open({ ...files, [name]: files[name].subarray(0, -1) }), isFormatError);
    });
  }

  // One content: its row is at 144, behind three inode rows, its chunk at 208.
  const rows: Readonly<Record<string, (files: IndexFiles) => void>> = {
    'size 0': ({ contents }) => contents.writeUInt32LE(0, 144 + 32),
    'more chunks than its size asks for': ({ contents }) => contents.writeUInt32LE(2, 144 + 48),
    'chunks that nobody has': ({ contents }) => contents.writeUInt32LE(1, 144 + 40),
    'an odd block size': ({ contents }) => contents.writeUInt8(23, 144 + 52),
    'an unknown algorithm': ({ contents }) => contents.writeUInt8(4, 144 + 53),
    'more data than bytes': ({ contents }) => contents.writeUInt32LE(2, 144 + 56),
    'a location that calls it a hole': ({ chunks }) => chunks.writeUInt8(0, 64 + 36),
    'a location that calls it lost': ({ chunks }) => chunks.writeUInt8(0xff, 64 + 36),
    'an id of 17 bytes': ({ chunks }) => chunks.writeUInt8(17, 64 + 37),
    'an identity that calls it a hole': ({ contents }) => contents.fill(0, 208, 240),
  };
  for (const [what, change] of Object.entries(rows)) {
    test(`refuses a content with ${what}`, () => {
      const files = filesWith(contentOf('x', 1));
      change(files);
      assert.throws(() => open(files).toContent(0), isFormatError);
    });
  }

  test('contentOf() refuses an index that no content has', () => {
    const files = filesWith(contentOf('x', 1));
    files.contents.writeUInt32LE(2, 128 + 8);
    assert.throws(() => open(files).contentOf(2), isFormatError);
  });
});
