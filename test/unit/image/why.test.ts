import assert from 'node:assert/strict';
import test from 'node:test';
import { toHex } from '../../../src/base/bytes.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import { contentDigest } from '../../../src/format/index/content-digest.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import type { Inode } from '../../../src/format/tree.ts';
import { contentsWith, findUses, isStored, pathsOf, placedChunks } from '../../../src/image/why.ts';
import {
  chunkOf,
  contentOf,
  directory,
  file,
  filesOf,
  HOLE,
  openIndex,
} from '../../support/index-trees.ts';

const BLOCK = 512 * 1024;
const SHARED = chunkOf('shared');
const LARGE = contentOf('large', 2 * BLOCK + 5, [SHARED, HOLE, chunkOf('end')]);
const SMALL = contentOf('small', 7, [SHARED]);

function open(tree: Inode) {
  return openIndex(filesOf(buildMountIndex(tree)));
}

const image = open(
  directory({
    a: file('', LARGE.size, { content: LARGE }),
    b: directory({ c: file('', SMALL.size, { content: SMALL }), d: file('other', 3) }),
    z: file('', LARGE.size, { content: LARGE }),
  }),
);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function pathsWith(contents: ReadonlySet<number>): Promise<string[]> {
  const found = await all(pathsOf(image, contents));
  return found.map(({ path }) => Buffer.from(path).toString());
}

test('findUses() finds every place of a chunk, by its whole id and by its first digits', async () => {
  const id = toHex(SHARED.id);
  for (const prefix of [id, id.slice(0, 12)]) {
    const uses = await all(findUses(image, prefix));
    assert.deepEqual(
      uses.map(({ by, chunks }) => [by, chunks.map(({ offset, size }) => [offset, size])]).sort(),
      [
        ['chunk', [[0, BLOCK]]],
        ['chunk', [[0, 7]]],
      ],
    );
    assert.deepEqual(await pathsWith(new Set(uses.map(({ content }) => content))), [
      '/a',
      '/b/c',
      '/z',
    ]);
  }
  assert.deepEqual(await all(findUses(image, 'f'.repeat(64))), []);
});

test('findUses() finds a content by its digest, with all its chunks', async () => {
  const [use, ...others] = await all(findUses(image, toHex(contentDigest(LARGE))));
  assert.deepEqual(others, []);
  assert.equal(use?.by, 'content');
  const places = use?.chunks.map((chunk) => [chunk.offset, chunk.size, isStored(chunk)]);
  assert.deepEqual(places, [
    [0, BLOCK, true],
    [BLOCK, BLOCK, false],
    [2 * BLOCK, 5, true],
  ]);
  assert.deepEqual(await pathsWith(new Set([use?.content ?? -1])), ['/a', '/z']);
});

test('contentsWith() and placedChunks() agree on who has a chunk', async () => {
  const found = await contentsWith(image, new Set([toHex(SHARED.id)]));
  const expected = [...image.contents.all()].filter((content) =>
    [...placedChunks(image.contents, content)].some(({ id }) => id === toHex(SHARED.id)),
  );
  assert.deepEqual([...found].sort(), expected.map(({ index }) => index).sort());
  assert.equal(found.size, 2);
  // A hole has no id: that it begins with nothing does not make it a hit.
  assert.equal((await contentsWith(image, new Set(['']))).size, 0);
});

test('a search of many contents ends when it is aborted', async () => {
  const many = new Map(Array.from({ length: 5000 }, (_, i) => [`f${i}`, file(`f${i}`, 3)]));
  const large = open(directory(many));
  const signal = AbortSignal.abort();
  const isAborted = (error: unknown) => isG8Error(error, 'ERR_ABORTED');
  await assert.rejects(all(findUses(large, 'ab', signal)), isAborted);
  await assert.rejects(contentsWith(large, new Set(['ab']), signal), isAborted);
  await assert.rejects(all(pathsOf(large, new Set([0]), signal)), isAborted);
});
