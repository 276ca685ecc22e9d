import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBitmap } from '../../../src/cache/bitmap.ts';
import { PartialContent, readRows } from '../../../src/cache/content.ts';
import { addon } from '../../../src/native/load.ts';
import { BLOCK, content, contentOf } from '../../support/cache-fixture.ts';

async function partial(file: ReturnType<typeof content>): Promise<PartialContent> {
  return new PartialContent(file, await readRows(file, addon()));
}

test('readRows() accepts every kind of content', async () => {
  // The last one has more blocks than are digested at once.
  const holes = [2, 16 * 1024 + 1].map((count) => contentOf(new Uint8Array(count * BLOCK)));
  for (const file of [content(1, 1), content(5, 2, 10), ...holes]) {
    assert.equal((await readRows(file, addon())).length, file.chunkCount * 32);
  }
});

test('readRows() rejects shapes that no content has', async () => {
  const file = content(2, 3);
  const wrong = [
    { size: 0 },
    { size: 2 ** 53 },
    { blockSize: 2048 },
    { blockSize: 5000 },
    { blockSize: 8 * 1024 * 1024 },
    { chunkCount: 3 },
    { size: file.size - 1 },
    { algorithm: 3 as const },
  ];
  for (const change of wrong) {
    const changed = readRows({ ...file, ...change }, addon());
    await assert.rejects(changed, { code: 'ERR_FLIST_FORMAT' }, JSON.stringify(change));
  }
});

test('readRows() rejects digests of a wrong length', async () => {
  const file = content(2, 4);
  const chunk = { ...file.chunk(0), plainDigest: new Uint8Array(16) };
  await assert.rejects(readRows({ ...file, chunk: () => chunk }, addon()), {
    code: 'ERR_FLIST_FORMAT',
  });
});

test('a hole is present from the start and cannot become absent', async () => {
  const bytes = Uint8Array.from(content(3, 5).bytes).fill(0, BLOCK, 2 * BLOCK);
  const file = await partial(contentOf(bytes));
  assert.deepEqual([file.isPresent(0), file.isPresent(1), file.absentCount], [false, true, 2]);
  file.markAbsent(1);
  assert.equal(file.isPresent(1), true);
});

test('markPresent() and markAbsent() count each block once', async () => {
  const file = await partial(content(3, 6));
  for (const block of [0, 0, 2]) file.markPresent(block);
  assert.equal(file.absentCount, 1);
  for (const block of [0, 0]) file.markAbsent(block);
  assert.equal(file.absentCount, 2);
});

test('claims are neither present nor lost', async () => {
  const file = await partial(content(3, 7));
  file.claim(createBitmap(3).fill(0b101));
  assert.deepEqual([file.isClaimed(0), file.isClaimed(1), file.isPresent(0)], [true, false, false]);
  file.markPresent(1);
  assert.deepEqual([...file.claims()], [0b111]);
  file.markPresent(0);
  assert.equal(file.isClaimed(0), false);
});

test('a claim of another length is ignored', async () => {
  const file = await partial(content(3, 8));
  file.claim(new Uint8Array(9).fill(0xff));
  assert.deepEqual([file.isClaimed(0), file.reused], [false, true]);
});

test('plainSize() of the last block is what is left', async () => {
  const file = await partial(content(2, 9, 100));
  assert.deepEqual([file.plainSize(0), file.plainSize(2)], [BLOCK, 100]);
});
