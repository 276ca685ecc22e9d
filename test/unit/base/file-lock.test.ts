import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type G8Error, isG8Error } from '../../../src/base/errors.ts';
import { lockFile } from '../../../src/base/file-lock.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

function target(context: TestContext) {
  const folder = temporaryDirectory(context);
  return { folder, path: join(folder, 'a.flist'), lock: join(folder, '.a.flist.lock') };
}

test('lockFile keeps others out and says who has the lock, until it is released', async (context) => {
  const { folder, path } = target(context);
  const lock = await lockFile(path);
  await assert.rejects(lockFile(path, { waitMs: 0 }), (error: G8Error) => {
    assert.ok(isG8Error(error, 'ERR_TIMEOUT'));
    assert.equal(error.details['pid'], process.pid);
    assert.match(error.message, new RegExp(`is being changed by process ${process.pid};`));
    return true;
  });
  assert.deepEqual(readdirSync(folder), ['.a.flist.lock']);
  await lock.check();
  await lock.release();
  assert.deepEqual(readdirSync(folder), []);
  await (await lockFile(path, { waitMs: 0 })).release();
});

test('lockFile ends its wait when the signal is aborted', async (context) => {
  const { folder, path } = target(context);
  const lock = await lockFile(path);
  const controller = new AbortController();
  const waiting = lockFile(path, { signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, (error) => isG8Error(error, 'ERR_ABORTED'));
  assert.deepEqual(readdirSync(folder), ['.a.flist.lock']);
  await lock.release();
});

test('lockFile takes away what a dead process has left, also when its number lives again', async (context) => {
  const { path, lock } = target(context);
  const sample = await lockFile(path);
  const own = JSON.parse(readFileSync(lock, 'utf8')) as object;
  await sample.release();
  const { pid } = spawnSync('true');
  for (const owner of [
    { ...own, pid, token: 'dead' },
    { ...own, started: '1', token: 'reborn' },
  ]) {
    writeFileSync(lock, `${JSON.stringify(owner)}\n`);
    const taken = await lockFile(path, { waitMs: 0 });
    await taken.check();
    await taken.release();
  }
});

test('lockFile respects a process that it cannot see, and what is no lock, for an hour', async (context) => {
  const { path, lock } = target(context);
  for (const text of ['{"pid":1,"started":"1","realm":"elsewhere","token":"x"}\n', 'no lock']) {
    writeFileSync(lock, text);
    await assert.rejects(lockFile(path, { waitMs: 0 }), (error) => isG8Error(error, 'ERR_TIMEOUT'));
    const old = Date.now() / 1000 - 3601;
    utimesSync(lock, old, old);
    await (await lockFile(path, { waitMs: 0 })).release();
  }
});

test('a lock that was taken away says so, and leaves the new one alone', async (context) => {
  const { path, lock } = target(context);
  const lost = await lockFile(path);
  writeFileSync(lock, 'of somebody else');
  await assert.rejects(lost.check(), (error) => isG8Error(error, 'ERR_IO'));
  await lost.release();
  assert.equal(readFileSync(lock, 'utf8'), 'of somebody else');
});
