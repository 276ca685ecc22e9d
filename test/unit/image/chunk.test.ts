import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { CODEC, DIGEST } from '../../../src/base/codec.ts';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { type ChunkOptions, chunkFiles } from '../../../src/image/chunk.ts';
import { ChunkWriter, type ChunkWriterOptions } from '../../../src/image/chunk-writer.ts';
import { walkTree } from '../../../src/image/walk.ts';
import { NodeScan, PlainCodec } from '../../support/node-scan.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const BLOCK_SIZE = 4096;

async function prepare(context: TestContext, bytes: Uint8Array) {
  const source = temporaryDirectory(context);
  const path = join(source, 'file');
  writeFileSync(path, bytes);
  const scan = new NodeScan();
  const codec = new PlainCodec();
  const stored: Uint8Array[] = [];
  const writing: ChunkWriterOptions = {
    codec,
    blockSize: BLOCK_SIZE,
    level: 3,
    put: async (_id, chunk) => {
      stored.push(chunk);
    },
  };
  const options: ChunkOptions = { scan, writer: new ChunkWriter(writing) };
  const { files } = await walkTree(source, { scan });
  return { source, path, files, options, writing, codec, scan, stored };
}

function randomBytes(size: number): Uint8Array {
  return new Uint8Array(size).map((_, i) => (i * 7919 + (i >> 8)) % 251);
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('chunkFiles() gives each block its chunk, in order', async (t) => {
  const bytes = randomBytes(3 * BLOCK_SIZE + 10);
  const { source, files, options } = await prepare(t, bytes);
  await chunkFiles(source, files, options);
  const content = files[0]?.inode.content;
  assert.deepEqual(
    content?.chunks.map(({ plainDigest }) => plainDigest),
    [0, 1, 2, 3].map((i) => blake2b(bytes.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE), 32)),
  );
  assert.equal(content?.size, bytes.length);
  assert.equal(content?.algorithm, DIGEST.blake2b256);
});

test('chunkFiles() makes a block of zeros a hole and stores nothing for it', async (t) => {
  const bytes = randomBytes(2 * BLOCK_SIZE);
  bytes.fill(0, 0, BLOCK_SIZE);
  const { source, files, options, stored } = await prepare(t, bytes);
  await chunkFiles(source, files, options);
  assert.equal(files[0]?.inode.content?.chunks[0]?.codec, CODEC.hole);
  assert.equal(stored.length, 1);
});

test('chunkFiles() does not read blocks that the file system knows as holes', async (t) => {
  const { source, path, files: _, options, codec, scan } = await prepare(t, new Uint8Array(0));
  truncateSync(path, 100 * BLOCK_SIZE);
  scan.findData = () => -1;
  const { files } = await walkTree(source, { scan });
  await chunkFiles(source, files, options);
  assert.equal(codec.encodes, 0);
  assert.equal(files[0]?.inode.content?.chunks.length, 100);
});

test('chunkFiles() notices a file that grew since it was scanned', async (t) => {
  const { source, path, files, options } = await prepare(t, randomBytes(100));
  appendFileSync(path, 'more');
  await assert.rejects(chunkFiles(source, files, options), (error) => {
    return isG8Error(error, 'ERR_IO') && /file changed while it was read/.test(error.message);
  });
});

test('chunkFiles() notices a file that was rewritten with the same size', async (t) => {
  const { source, path, files, options, writing } = await prepare(t, randomBytes(100));
  const { put } = writing;
  const writer = new ChunkWriter({
    ...writing,
    put: async (id, chunk) => {
      writeFileSync(path, new Uint8Array(100).fill(1));
      await put(id, chunk);
    },
  });
  await assert.rejects(chunkFiles(source, files, { ...options, writer }), (error) =>
    isG8Error(error, 'ERR_IO'),
  );
});

test('chunkFiles() closes every file, also after a failure', async (t) => {
  const { source, files, options, writing } = await prepare(t, randomBytes(10 * BLOCK_SIZE));
  const before = openDescriptors();
  await chunkFiles(source, files, options);
  const writer = new ChunkWriter({
    ...writing,
    put: () => Promise.reject(new G8Error('ERR_STORE_UNAVAILABLE', 'Store is down')),
  });
  await assert.rejects(chunkFiles(source, files, { ...options, writer }), (error) =>
    isG8Error(error, 'ERR_STORE_UNAVAILABLE'),
  );
  assert.equal(openDescriptors(), before);
});

test('chunkFiles() names a file that cannot be opened', async (t) => {
  const { source, files, options, scan } = await prepare(t, randomBytes(10));
  scan.openBeneath = () => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }));
  await assert.rejects(chunkFiles(source, files, options), (error) => {
    return isG8Error(error, 'ERR_PERMISSION') && /file cannot be read/.test(error.message);
  });
});
