/** Images made of historical flists whose blocks are of other sizes than those of their tools. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { toHex } from '../../../src/base/bytes.ts';
import { CODEC } from '../../../src/base/codec.ts';
import { createFlist } from '../../../src/image/create.ts';
import { loadFlist } from '../../../src/image/load.ts';
import { readContent } from '../../../src/image/read.ts';
import { FlistSource } from '../../../src/image/source/flist.ts';
import { addon } from '../../../src/native/load.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { historicalEntry, writeHistoricalFlist } from '../../support/historical-flist.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const UNIT = 4096;
const SIZE = 3 * 1024 * 1024 + 17;
const PLAIN = Buffer.from(
  Array.from({ length: SIZE / 64 + 1 }, (_, i) => createHash('sha512').update(`${i}`).digest())
    .map((digest) => digest.toString('latin1'))
    .join(''),
  'latin1',
).subarray(0, SIZE);

/** A file of blocks of `units` × 4 KiB, its chunks in the store. */
async function fileOf(units: number, codec: 2 | 3, store: MemoryStore) {
  const blocks = [];
  for (let at = 0; at < PLAIN.length; at += units * UNIT) {
    const data = PLAIN.subarray(at, at + units * UNIT);
    const { id, plainDigest, stored } = await addon().encodeChunk({ data, codec });
    await store.put(toHex(id), stored);
    const isText = codec === CODEC.legacyG1;
    const [hash, key] = [id, plainDigest].map((bytes) =>
      isText ? Buffer.from(toHex(bytes)) : Buffer.from(bytes),
    ) as [Buffer, Buffer];
    blocks.push({ hash, key, storedSize: stored.length });
  }
  const body = { type: 'file', blockSize: units, codec: 0, blocks } as const;
  return { body, fields: { size: PLAIN.length } };
}

async function prepare(t: TestContext) {
  const folder = temporaryDirectory(t);
  const store = new MemoryStore();
  const entries = [];
  for (const [name, units, codec] of [
    ['g1-large', 256, CODEC.legacyG1],
    ['g1-small', 16, CODEC.legacyG1],
    ['g2-large', 512, CODEC.legacyG2],
    ['g2-small', 1, CODEC.legacyG2],
    ['usual', 128, CODEC.legacyG2],
  ] as const) {
    const { body, fields } = await fileOf(units, codec, store);
    entries.push(historicalEntry(name, body, fields));
  }
  const path = join(folder, 'old.flist');
  await writeHistoricalFlist(path, entries);
  return { folder, path, store };
}

for (const keepBlockSize of [true, false]) {
  const how = keepBlockSize ? 'that may keep their blocks' : 'in blocks of one size';
  test(`an image of a historical flist has its contents, ${how}`, async (t) => {
    const { folder, path, store } = await prepare(t);
    const flist = await loadFlist(path, { codec: addon() });
    const target = new MemoryStore();
    const output = join(folder, 'new.flist');
    await createFlist({
      source: new FlistSource({ flist, openStore: async () => store, keepBlockSize }),
      output,
      store: target,
      addon: addon(),
      blockSize: 128 * UNIT,
    });
    const { root, generation } = await loadFlist(output, { codec: addon() });
    assert.equal(generation, 'ours');
    const names = root.entries?.map(({ name }) => Buffer.from(name).toString());
    assert.deepEqual(names, ['g1-large', 'g1-small', 'g2-large', 'g2-small', 'usual']);
    for (const { name, inode } of root.entries ?? []) {
      assert.ok(inode.content, String(name));
      // Chunks of another kind are packed anew, in blocks of the size that is asked for.
      assert.equal(inode.content.blockSize, 128 * UNIT);
      const pieces: Uint8Array[] = [];
      const reading = { store: target, codec: addon() };
      for await (const piece of readContent(inode.content, reading)) pieces.push(piece);
      assert.ok(PLAIN.equals(Buffer.concat(pieces)), Buffer.from(name).toString());
    }
  });
}

test('a historical flist with a block size that nobody can have is refused', async (t) => {
  const { folder, store } = await prepare(t);
  const { body, fields } = await fileOf(16, CODEC.legacyG2, store);
  const path = join(folder, 'odd.flist');
  for (const blockSize of [3, 2048]) {
    await writeHistoricalFlist(path, [historicalEntry('odd', { ...body, blockSize }, fields)]);
    await assert.rejects(loadFlist(path, { codec: addon() }), {
      code: 'ERR_FLIST_FORMAT',
      message: /block size/,
    });
  }
});
