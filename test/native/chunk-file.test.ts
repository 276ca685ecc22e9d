import assert from 'node:assert/strict';
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { blake2b } from '../../src/base/blake2b.ts';
import { CODEC, DIGEST } from '../../src/base/codec.ts';
import { addon } from '../../src/native/load.ts';
import { compressible, encode, fileWith, requestOf } from '../support/encoded-chunk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const BLOCK = 4096;

describe('decodeToFile()', () => {
  const SIZE = 1 << 20;
  // Data in the first and the last page only.
  const plain = new Uint8Array(SIZE).fill(1, 0, BLOCK).fill(2, SIZE - BLOCK);

  it('leaves zero pages of a fresh file sparse', async (context) => {
    const chunk = await encode(context, CODEC.zstd, plain);
    const { fd, path } = fileWith(context, new Uint8Array(0));
    ftruncateSync(fd, 3 * SIZE);
    await addon().decodeToFile({ ...requestOf(CODEC.zstd, chunk, SIZE), fd, offset: SIZE });
    assert.deepEqual(new Uint8Array(readFileSync(path).subarray(SIZE, 2 * SIZE)), plain);
    assert.ok(statSync(path).blocks * 512 < SIZE / 4);
  });

  it('replaces damaged bytes by zeros', async (context) => {
    const chunk = await encode(context, CODEC.zstd, plain);
    const { fd, path } = fileWith(context, new Uint8Array(SIZE).fill(0xee));
    await addon().decodeToFile({ ...requestOf(CODEC.zstd, chunk, SIZE), fd, offset: 0 });
    assert.deepEqual(new Uint8Array(readFileSync(path)), plain);
  });

  it('writes nothing when the chunk is corrupt', async (context) => {
    const chunk = await encode(context, CODEC.zstd, plain);
    const { fd, path } = fileWith(context, new Uint8Array(BLOCK));
    const request = {
      ...requestOf(CODEC.zstd, chunk, SIZE),
      id: new Uint8Array(32),
      fd,
      offset: 0,
    };
    await assert.rejects(addon().decodeToFile(request), { code: 'ERR_CHUNK_CORRUPT' });
    assert.ok(readFileSync(path).equals(Buffer.alloc(BLOCK)));
  });

  it('rejects with ERR_CACHE_FULL when there is no room', async (context) => {
    const chunk = await encode(context, CODEC.zstd, compressible(1000));
    const fd = openSync('/dev/full', 'r+');
    context.after(() => closeSync(fd));
    const request = { ...requestOf(CODEC.zstd, chunk, 1000), fd, offset: 0 };
    await assert.rejects(addon().decodeToFile(request), { code: 'ERR_CACHE_FULL' });
  });
});

describe('verifyFile()', () => {
  const blocks = [1, 2, 0, 4].map((value) => new Uint8Array(BLOCK).fill(value));
  const rows = new Uint8Array(
    Buffer.concat(
      blocks.map((block) => (block[0] === 0 ? new Uint8Array(32) : blake2b(block, 32))),
    ),
  );
  const request = {
    size: 4 * BLOCK,
    blockSize: BLOCK,
    algorithm: DIGEST.blake2b256,
    plainDigests: rows,
  };

  it('sets the bit of every block that matches, holes included', async (context) => {
    const { fd } = fileWith(context, Buffer.concat(blocks));
    assert.deepEqual(await addon().verifyFile({ ...request, fd }), new Uint8Array([0b1111]));
  });

  it('clears the bits of changed and missing blocks', async (context) => {
    const bytes = Buffer.concat(blocks);
    bytes[BLOCK] = 9;
    bytes[2 * BLOCK + 5] = 9;
    const { fd } = fileWith(context, bytes.subarray(0, 4 * BLOCK - 1));
    assert.deepEqual(await addon().verifyFile({ ...request, fd }), new Uint8Array([0b0001]));
  });

  it('leaves blocks alone that were not asked for', async (context) => {
    const { fd } = fileWith(context, new Uint8Array(0));
    const result = await addon().verifyFile({ ...request, fd, blocks: new Uint8Array([0b0100]) });
    assert.deepEqual(result, new Uint8Array([0b1011]));
  });

  it('throws when the tables do not have the size of the file', () => {
    const bad = { ...request, fd: 0 };
    assert.throws(() => addon().verifyFile({ ...bad, plainDigests: rows.subarray(1) }), RangeError);
    assert.throws(() => addon().verifyFile({ ...bad, blocks: new Uint8Array(2) }), RangeError);
    assert.throws(() => addon().verifyFile({ ...bad, blockSize: 1 }), RangeError);
  });
});

describe('digestFile()', () => {
  it('gives BLAKE2b-256 of the whole file', async (context) => {
    for (const size of [0, 1, (1 << 20) - 1, 1 << 20, 3_000_001]) {
      const { path } = fileWith(context, compressible(size));
      assert.deepEqual(await addon().digestFile(path), blake2b(compressible(size), 32));
    }
  });

  it('rejects with ERR_NO_INPUT when there is no file', async () => {
    await assert.rejects(addon().digestFile('/nowhere/file'), { code: 'ERR_NO_INPUT' });
  });
});

describe('zstdCompress()', () => {
  it('gives a frame of the same bytes', async () => {
    const data = fc.uint8Array({ maxLength: 5000 });
    await fc.assert(
      fc.asyncProperty(data, fc.integer({ min: 1, max: 22 }), async (plain, level) => {
        const packed = await addon().zstdCompress(plain, level);
        const stream = addon().openStream('zstd-decode');
        const { output, done } = await stream.run(packed, { last: true, outputMax: 5001 });
        assert.ok(done);
        assert.deepEqual(output, plain);
      }),
      { numRuns: 50 },
    );
  });
});

describe('placeFiles()', () => {
  const SIZE = 3 * BLOCK + 100;
  const plain = new Uint8Array(SIZE).fill(1, 0, BLOCK).fill(2, 2 * BLOCK);

  it('makes sealed files and the folders above them', async (context) => {
    const dir = temporaryDirectory(context);
    const chunk = await encode(context, CODEC.zstd, plain);
    const path = join(dir, 'aa/bb/file');
    const [allocated] = await addon().placeFiles([{ ...requestOf(CODEC.zstd, chunk, SIZE), path }]);
    const stats = statSync(path);
    assert.deepEqual(new Uint8Array(readFileSync(path)), plain);
    assert.deepEqual([stats.mtimeMs, stats.mode & 0o777], [1000, 0o444]);
    assert.equal(allocated, stats.blocks * 512);
  });

  it('gives each file its own result and leaves nothing of those that fail', async (context) => {
    const dir = temporaryDirectory(context);
    const chunk = await encode(context, CODEC.zstd, plain);
    const request = requestOf(CODEC.zstd, chunk, SIZE);
    writeFileSync(join(dir, 'there'), 'x');
    const results = await addon().placeFiles([
      { ...request, path: join(dir, 'first') },
      { ...request, path: join(dir, 'corrupt'), id: new Uint8Array(32) },
      { ...request, path: join(dir, 'there') },
      { ...request, path: join(dir, 'a/b/c/too-deep') },
      { ...request, path: join(dir, 'last') },
    ]);
    assert.deepEqual(
      results.map((result) => (typeof result === 'number' ? result > 0 || result : codeOf(result))),
      [true, 'ERR_CHUNK_CORRUPT', -1, 'ERR_IO', true],
    );
    assert.deepEqual(readdirSync(dir).sort(), ['first', 'last', 'there']);
    assert.equal(readFileSync(join(dir, 'there'), 'latin1'), 'x');
  });

  it('throws for wrong arguments', () => {
    assert.throws(() => addon().placeFiles(Array(65).fill({})), RangeError);
    assert.throws(() => addon().placeFiles([{} as never]), TypeError);
  });
});

function codeOf(error: Error): unknown {
  return (error as { code?: unknown }).code;
}
