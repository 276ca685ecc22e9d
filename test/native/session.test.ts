/** The session calls of the addon as far as they need no mount: arguments, contents, unknown numbers. */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import type { SessionOptions } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const OPTIONS: SessionOptions = {
  mountPoint: '/nowhere',
  indexDir: '/nowhere',
  filesDir: '/nowhere',
  source: 'test',
  allowOther: false,
  openMode: 'auto',
  workers: 1,
  deadlineMs: 1000,
  readaheadBytes: 0,
  wholeBlocksMax: 0,
};
const ignore = () => {};

const digestOf = (byte: number) => new Uint8Array(32).fill(byte);

/** A file of `size` bytes, closed when the test ends. */
function fileOfSize(context: TestContext, size: number): number {
  const fd = openSync(join(temporaryDirectory(context), 'file'), 'w+');
  context.after(() => closeSync(fd));
  ftruncateSync(fd, size);
  return fd;
}

test('openSession() checks its arguments', () => {
  const open = (changes: object, onNeed: unknown = ignore) =>
    addon().openSession({ ...OPTIONS, ...changes }, onNeed as typeof ignore, ignore);
  assert.throws(() => open({ workers: 0 }), RangeError);
  assert.throws(() => open({ workers: 17 }), RangeError);
  assert.throws(() => open({ deadlineMs: 0 }), RangeError);
  assert.throws(() => open({ openMode: 'direct' }), RangeError);
  assert.throws(() => open({ mountPoint: 7 }), TypeError);
  assert.throws(() => open({}, 'no function'), TypeError);
});

test('openSession() rejects without an index', async () => {
  await assert.rejects(addon().openSession(OPTIONS, ignore, ignore), (error) =>
    isG8Error(error, 'ERR_NO_INPUT'),
  );
});

test('closeSession() of an unknown session resolves', async () => {
  await addon().closeSession(4_000_000, { lazy: false });
});

test('sessionStats() of an unknown session throws', () => {
  assert.throws(() => addon().sessionStats(4_000_000), RangeError);
});

test('contentAttach() checks its arguments', (context) => {
  const file = {
    fd: fileOfSize(context, 8192),
    size: 8192,
    blockSize: 4096,
    present: new Uint8Array(1),
  };
  const attach = (changes: object, digest = digestOf(1)) =>
    addon().contentAttach(digest, { ...file, ...changes });
  assert.throws(() => attach({}, new Uint8Array(31)), RangeError);
  assert.throws(() => attach({ blockSize: 5000 }), RangeError);
  assert.throws(() => attach({ blockSize: 2048 }), RangeError);
  assert.throws(() => attach({ size: 0 }), RangeError);
  assert.throws(() => attach({ present: 'x' }), TypeError);
  assert.throws(
    () => attach({ size: 8193 }),
    (error) => isG8Error(error, 'ERR_IO'),
  );
  assert.throws(
    () => attach({ fd: 1_000_000 }),
    (error) => isG8Error(error, 'ERR_IO'),
  );
  assert.equal(addon().contentDrop(digestOf(1)), true);
});

test('contentPresent() refuses blocks that a content does not have', (context) => {
  const digest = digestOf(2);
  const fd = fileOfSize(context, 8192);
  addon().contentAttach(digest, { fd, size: 8192, blockSize: 4096, present: new Uint8Array(1) });
  addon().contentPresent(digest, 0, 2);
  assert.throws(() => addon().contentPresent(digest, 1, 2), RangeError);
  assert.throws(() => addon().contentFail(digest, 0, 3, 'EIO'), RangeError);
  addon().contentFail(digest, 0, 0, 'EIO');
  assert.equal(addon().contentDrop(digest), true);
});

test('contents that nobody knows are ignored', () => {
  addon().contentPresent(digestOf(3), 0, 1);
  addon().contentComplete(digestOf(3));
  addon().contentFail(digestOf(3), 0, 1, 'EIO');
  assert.equal(addon().contentDrop(digestOf(3)), true);
});

test('contentAttach() keeps the file open on its own', (context) => {
  const digest = digestOf(4);
  const fd = openSync(join(temporaryDirectory(context), 'file'), 'w+');
  ftruncateSync(fd, 4096);
  addon().contentAttach(digest, { fd, size: 4096, blockSize: 4096, present: new Uint8Array(1) });
  closeSync(fd);
  addon().contentPresent(digest, 0, 1);
  assert.equal(addon().contentDrop(digest), true);
});
