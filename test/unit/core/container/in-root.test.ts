import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import {
  readInRoot,
  withFolderInRoot,
  writeInRoot,
} from '../../../../src/core/container/in-root.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

function roots(context: TestContext): { root: string; outside: string } {
  const folder = temporaryDirectory(context);
  const [root, outside] = [join(folder, 'root'), join(folder, 'outside')];
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'secret');
  return { root, outside };
}

test('writeInRoot() makes folders and files for their owner alone', async (context) => {
  const { root } = roots(context);
  await writeInRoot(root, '/a/b/c', 'one');
  await writeInRoot(root, 'a/./b//c', 'two');
  assert.equal(readFileSync(join(root, 'a/b/c'), 'utf8'), 'two');
  assert.equal(statSync(join(root, 'a/b')).mode & 0o7777, 0o700);
  assert.equal(statSync(join(root, 'a/b/c')).mode & 0o7777, 0o600);
});

test('writeInRoot() stays inside, whatever names and links say', async (context) => {
  const { root, outside } = roots(context);
  symlinkSync(outside, join(root, 'absolute'));
  symlinkSync('../../outside', join(root, 'etc/up'));
  symlinkSync(join(outside, 'secret'), join(root, 'file'));
  symlinkSync('/etc', join(root, 'inner'));
  await writeInRoot(root, '../../../outside/secret', 'a');
  await writeInRoot(root, 'absolute/x', 'b');
  await writeInRoot(root, 'etc/up/y', 'c');
  await writeInRoot(root, 'file', 'd');
  await writeInRoot(root, 'inner/../inner/z', 'e');
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
  assert.deepEqual(
    ['outside/secret', `${outside}/x`, 'outside/y', `${outside}/secret`, 'etc/z'].map((path) =>
      readFileSync(join(root, path), 'utf8'),
    ),
    ['a', 'b', 'c', 'd', 'e'],
  );
});

test('writeInRoot() refuses what is no file, and links in a circle', async (context) => {
  const { root } = roots(context);
  symlinkSync('b', join(root, 'a'));
  symlinkSync('a', join(root, 'b'));
  execFileSync('mkfifo', [join(root, 'pipe')]);
  await assert.rejects(writeInRoot(root, 'a', ''), /circle/);
  await assert.rejects(writeInRoot(root, 'etc', ''), /no regular file/);
  await assert.rejects(writeInRoot(root, 'pipe', ''), /no regular file/);
  await assert.rejects(writeInRoot(root, '/', ''), /no regular file/);
  await writeInRoot(root, 'plain', '');
  await assert.rejects(writeInRoot(root, 'plain/x', ''), /below a file/);
});

test('readInRoot() reads inside, up to a size', async (context) => {
  const { root, outside } = roots(context);
  symlinkSync(join(outside, 'secret'), join(root, 'file'));
  writeFileSync(join(root, 'etc/name'), 'text');
  assert.equal(await readInRoot(root, '/etc/name', 4), 'text');
  assert.equal(await readInRoot(root, '/file', 100), undefined);
  assert.equal(await readInRoot(root, '/absent/x', 100), undefined);
  assert.equal(await readInRoot(root, '/etc/name/x', 100), undefined);
  await assert.rejects(readInRoot(root, '/etc/name', 3), /more than 3 bytes/);
  await assert.rejects(readInRoot(root, '/etc', 3), /no regular file/);
});

test('withFolderInRoot() opens folders inside, and nothing else', async (context) => {
  const { root, outside } = roots(context);
  writeFileSync(join(root, 'etc/name'), '');
  symlinkSync('/etc', join(root, 'link'));
  symlinkSync(outside, join(root, 'out'));
  const names = async (path: string) =>
    await withFolderInRoot(root, path, async (folder) => readdirSync(folder).sort());
  assert.deepEqual(await names('/etc'), ['name']);
  assert.deepEqual(await names('link/.'), ['name']);
  assert.deepEqual(await names('../etc/..'), ['etc', 'link', 'out']);
  assert.deepEqual(await names('/'), ['etc', 'link', 'out']);
  for (const path of ['etc/name', 'absent', 'out', 'absent/x']) {
    await assert.rejects(names(path), { code: 'ERR_USAGE' }, path);
  }
});
