import assert from 'node:assert/strict';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import type { Inode } from '../../../src/format/tree.ts';
import { compileExcludes } from '../../../src/image/glob.ts';
import { walkTree } from '../../../src/image/walk.ts';
import { NodeScan } from '../../support/node-scan.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

function makeSource(context: TestContext): string {
  const source = temporaryDirectory(context);
  mkdirSync(join(source, 'b/c'), { recursive: true });
  writeFileSync(join(source, 'a'), 'hello');
  linkSync(join(source, 'a'), join(source, 'b/again'));
  writeFileSync(join(source, 'b/c/empty'), '');
  symlinkSync('../a', join(source, 'b/link'));
  return source;
}

function names(inode: Inode): string[] {
  return (inode.entries ?? []).map(({ name }) => Buffer.from(name).toString('latin1'));
}

function child(inode: Inode, name: string): Inode {
  const found = inode.entries?.find((entry) => Buffer.from(entry.name).toString() === name);
  assert.ok(found, name);
  return found.inode;
}

test('walkTree() gives names in byte order with their types', async (t) => {
  const walk = await walkTree(makeSource(t), { scan: new NodeScan() });
  assert.deepEqual(names(walk.root), ['a', 'b']);
  assert.deepEqual(names(child(walk.root, 'b')), ['again', 'c', 'link']);
  assert.equal(walk.entryCount, 7);
  assert.equal(walk.bytes, 5);
});

test('walkTree() gives the names of a hard link one inode and one file', async (t) => {
  const { root, files } = await walkTree(makeSource(t), { scan: new NodeScan() });
  assert.equal(child(root, 'a'), child(child(root, 'b'), 'again'));
  assert.equal(files.length, 1);
});

test('walkTree() keeps a link as a link', async (t) => {
  const { root } = await walkTree(makeSource(t), { scan: new NodeScan() });
  const link = child(child(root, 'b'), 'link');
  assert.equal(Buffer.from(link.target as Uint8Array).toString(), '../a');
  assert.equal(link.size, 0);
});

test('walkTree() keeps names that are not UTF-8', async (t) => {
  const source = temporaryDirectory(t);
  writeFileSync(Buffer.concat([Buffer.from(`${source}/x`), Buffer.of(0xff)]), '1');
  const { root } = await walkTree(source, { scan: new NodeScan() });
  assert.deepEqual(names(root), ['x\xff']);
});

test('walkTree() leaves out what a pattern excludes, and all below it', async (t) => {
  const { root } = await walkTree(makeSource(t), {
    scan: new NodeScan(),
    exclude: compileExcludes(['c/']),
  });
  assert.deepEqual(names(child(root, 'b')), ['again', 'link']);
});

test('walkTree() leaves out excluded paths', async (t) => {
  const { root } = await walkTree(makeSource(t), { scan: new NodeScan(), excludedPaths: ['b/c'] });
  assert.deepEqual(names(child(root, 'b')), ['again', 'link']);
});

test('walkTree() leaves out what waits for the lock of an excluded path, and no more', async (t) => {
  const source = makeSource(t);
  for (const name of ['.c.lock', '.c.lock.0123456789ab', '.c.lock.other', '.d.lock.0123456789ab']) {
    writeFileSync(join(source, 'b', name), '');
  }
  const { root } = await walkTree(source, { scan: new NodeScan(), excludedPaths: ['b/.c.lock'] });
  assert.deepEqual(names(child(root, 'b')).slice(0, 3), [
    '.c.lock.other',
    '.d.lock.0123456789ab',
    'again',
  ]);
});

test('walkTree() takes a mount point as an empty folder with oneFileSystem', async (t) => {
  const scan = new NodeScan();
  scan.change = (path, entry) =>
    path.endsWith('/b/c') ? { ...entry, dev: entry.dev + 1n } : entry;
  const crossed = await walkTree(makeSource(t), { scan });
  assert.deepEqual(names(child(child(crossed.root, 'b'), 'c')), ['empty']);
  const { root } = await walkTree(makeSource(t), { scan, oneFileSystem: true });
  assert.deepEqual(names(child(child(root, 'b'), 'c')), []);
});

test('walkTree() drops xattrs that belong to the source file system', async (t) => {
  const scan = new NodeScan();
  const xattrs = ['btrfs.compression', 'system.nfs4_acl', 'user.kept'].map((name) => ({
    name: Buffer.from(name),
    value: Buffer.from('1'),
  }));
  scan.change = (_path, entry) => ({ ...entry, xattrs });
  const { root } = await walkTree(makeSource(t), { scan });
  assert.deepEqual(
    root.xattrs?.map(({ name }) => name.toString()),
    ['user.kept'],
  );
});

test('walkTree() refuses a source that is no folder', async (t) => {
  const source = join(makeSource(t), 'a');
  await assert.rejects(walkTree(source, { scan: new NodeScan() }), (error) =>
    isG8Error(error, 'ERR_NO_INPUT'),
  );
});

test('walkTree() names the folder that cannot be read', async (t) => {
  const scan = new NodeScan();
  const scanDirectory = scan.scanDirectory.bind(scan);
  scan.scanDirectory = async (root, path) => {
    if (path.length > 0) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    return scanDirectory(root, path);
  };
  await assert.rejects(walkTree(makeSource(t), { scan }), (error) => {
    return isG8Error(error, 'ERR_IO') && /\/b cannot be read/.test(error.message);
  });
});

test('walkTree() stops when its signal is aborted', async (t) => {
  const signal = AbortSignal.abort(new G8Error('ERR_ABORTED', 'Stopped'));
  await assert.rejects(walkTree(makeSource(t), { scan: new NodeScan(), signal }), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
});
