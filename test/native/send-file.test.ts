/** Chunks that are opened and sent without waiting for anything. */
import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { addon } from '../../src/native/load.ts';
import { chunkPath } from '../../src/store/chunk-id.ts';
import { chunkOf } from '../support/faulty-store.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const CHUNK = chunkOf('a chunk'.repeat(1000));

function folderWith(t: Parameters<typeof temporaryDirectory>[0]): { root: string; path: string } {
  const root = temporaryDirectory(t);
  const path = join(root, chunkPath(CHUNK.id));
  mkdirSync(join(path, '..'));
  writeFileSync(path, CHUNK.bytes);
  return { root, path };
}

test('openCachedChunk() opens what was just written, and says what it is', (t) => {
  const { root } = folderWith(t);
  const before = Date.now();
  const opened = addon().openCachedChunk(root, CHUNK.id, 1 << 20);
  assert(opened !== undefined);
  t.after(() => closeSync(opened.fd));
  assert.equal(opened.size, CHUNK.bytes.length);
  assert(Math.abs(opened.modifiedMs - before) < 60_000);
  assert(readFileSync(opened.fd).equals(CHUNK.bytes));
});

test('openCachedChunk() opens nothing that is no chunk', (t) => {
  const { root, path } = folderWith(t);
  const { openCachedChunk } = addon();
  assert.equal(openCachedChunk(root, CHUNK.id, CHUNK.bytes.length - 1), undefined);
  assert.equal(openCachedChunk(root, chunkOf('absent').id, 1 << 20), undefined);
  assert.equal(openCachedChunk(join(root, 'absent'), CHUNK.id, 1 << 20), undefined);
  truncateSync(path, 0);
  assert.equal(openCachedChunk(root, CHUNK.id, 1 << 20), undefined);
  assert.throws(
    () => openCachedChunk(root, '../../etc/passwd', 1 << 20),
    (error) => isG8Error(error, 'ERR_USAGE'),
  );
});

test('openCachedChunk() leaves what is on the disk alone', (t) => {
  const { root, path } = folderWith(t);
  // A hole is nowhere in memory.
  truncateSync(path, 1 << 20);
  assert.equal(addon().openCachedChunk(root, CHUNK.id, 1 << 20), undefined);
});

test('sendFile() says why it cannot', (t) => {
  const { path } = folderWith(t);
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  assert.throws(
    () => addon().sendFile(fd, fd, 0, 10),
    (error) => isG8Error(error),
  );
  assert.throws(() => addon().sendFile(-1, fd, 0, 10), RangeError);
});
