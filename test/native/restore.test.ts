import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../src/base/bytes.ts';
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../src/format/tree.ts';
import type { RestoredAttributes, ScannedEntry } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const NOT_ROOT = process.getuid?.() !== 0 && 'needs root';
const ROOT_PATH = new Uint8Array(0);
const PIECE = 1 << 20;
const TORTURE = fileURLToPath(new URL('../../../../test/support/torture-tree.sh', import.meta.url));

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

function below(folder: Uint8Array, name: Uint8Array): Uint8Array {
  return folder.length === 0
    ? name
    : new Uint8Array(Buffer.concat([folder, Buffer.from('/'), name]));
}

/** Calls `enter` for each entry below a root, folders before what is in them, and `leave` after it. */
async function visit(
  root: string,
  enter: (path: Uint8Array, entry: ScannedEntry) => Promise<void>,
  leave: (path: Uint8Array, entry: ScannedEntry) => Promise<void> = async () => {},
  path: Uint8Array = ROOT_PATH,
  entry?: ScannedEntry,
): Promise<void> {
  const self = entry ?? (await addon().scanEntry(root, path));
  await enter(path, self);
  if ((self.mode & S_IFMT) === S_IFDIR) {
    for (const child of await addon().scanDirectory(root, path)) {
      await visit(root, enter, leave, below(path, child.name), child);
    }
  }
  await leave(path, self);
}

async function copyContents(source: string, target: string, path: Uint8Array, size: number) {
  const from = await addon().openBeneath(source, path);
  const to = await addon().restoreFile(target, path, size);
  try {
    let at = addon().findData(from, 0);
    while (at >= 0 && at < size) {
      const piece = new Uint8Array(PIECE);
      const count = readSync(from, piece, 0, PIECE, at);
      await addon().writeSparse(to, at, piece.subarray(0, count));
      at = addon().findData(from, at + count);
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

/** Copies a tree with the addon alone. */
async function copyTree(source: string, target: string): Promise<void> {
  const first = new Map<bigint, Uint8Array>();
  await visit(
    source,
    async (path, entry) => {
      const type = entry.mode & S_IFMT;
      const known = first.get(entry.ino);
      if (known !== undefined) return addon().restoreLink(target, known, path);
      if (type !== S_IFDIR && entry.nlink > 1) first.set(entry.ino, path);
      if (type === S_IFREG) return copyContents(source, target, path, entry.size);
      return addon().restoreEntry(target, path, entry);
    },
    async (path, entry) => {
      await addon().restoreAttributes(target, path, {
        ...entry,
        xattrs: entry.xattrs ?? [],
      });
    },
  );
}

/** Everything about a tree that a copy must have too. */
async function describeTree(root: string): Promise<string[]> {
  const lines: string[] = [];
  const numbers = new Map<bigint, number>();
  await visit(root, async (path, entry) => {
    if (!numbers.has(entry.ino)) numbers.set(entry.ino, numbers.size);
    const { name: _name, dev: _dev, ctimeSeconds: _s, ctimeNanoseconds: _n, ...rest } = entry;
    const isDirectory = (entry.mode & S_IFMT) === S_IFDIR;
    const described = {
      ...rest,
      path: toHex(path),
      ino: numbers.get(entry.ino),
      size: isDirectory ? 0 : entry.size,
      target: entry.target && toHex(entry.target),
      xattrs: entry.xattrs?.map(({ name, value }) => [toHex(name), toHex(value)]),
    };
    lines.push(JSON.stringify(described));
  });
  return lines;
}

async function digests(root: string): Promise<string[]> {
  const files: string[] = [];
  await visit(root, async (path, entry) => {
    if ((entry.mode & S_IFMT) !== S_IFREG || entry.size > 2 ** 26) return;
    const fd = await addon().openBeneath(root, path);
    files.push(`${toHex(path)} ${toHex(addon().blake2b(readFileSync(fd), 32))}`);
    closeSync(fd);
  });
  return files;
}

describe('a tree that is scanned and restored', () => {
  it('has everything the source has', { skip: NOT_ROOT, timeout: 120_000 }, async (context) => {
    const folder = temporaryDirectory(context);
    const source = join(folder, 'source');
    const target = join(folder, 'target');
    execFileSync('bash', [TORTURE, source, '500', '64'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    mkdirSync(target);
    await copyTree(source, target);
    const expected = await describeTree(source);
    assert.ok(expected.length > 600);
    assert.ok(expected.some((line) => line.includes(toHex(bytes('security.capability')))));
    assert.deepEqual(await describeTree(target), expected);
    assert.deepEqual(await digests(target), await digests(source));
    const sparse = statSync(join(target, 'sizes/sparse'));
    assert.equal(sparse.size, 64 * 2 ** 20);
    assert.ok(sparse.blocks * 512 < 2 ** 20, 'holes were written');
  });

  it('may be deeper than PATH_MAX', async (context) => {
    const folder = temporaryDirectory(context);
    let path = bytes('d'.repeat(250));
    for (let depth = 0; depth < 40; depth++) {
      await addon().restoreEntry(folder, path, { mode: S_IFDIR });
      path = below(path, bytes('d'.repeat(250)));
    }
    assert.ok(path.length > 10_000);
    closeSync(await addon().restoreFile(folder, path, 10));
    await addon().restoreLink(folder, path, bytes('link'));
    const times = { mtimeSeconds: -1, mtimeNanoseconds: 5 };
    await addon().restoreAttributes(folder, path, { mode: 0o640, xattrs: [], ...times });
    const entry = await addon().scanEntry(folder, bytes('link'));
    assert.deepEqual([entry.mode & 0o7777, entry.size, entry.mtimeSeconds], [0o640, 10, -1]);
  });
});

describe('restoring', () => {
  it('never follows a symlink, whatever is planted below the root', async (context) => {
    const outside = temporaryDirectory(context);
    const root = temporaryDirectory(context);
    writeFileSync(join(outside, 'victim'), 'kept');
    symlinkSync(outside, join(root, 'planted'));
    mkdirSync(join(root, 'a'));
    symlinkSync('../planted', join(root, 'a/b'));
    const attributes: RestoredAttributes = { mode: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };
    const before = statSync(join(outside, 'victim'), { bigint: true });
    const refused = { code: 'ERR_CREATE' };
    for (const path of ['planted/victim', 'a/b/victim', 'planted/new', 'a/b/new/deeper'].map(
      bytes,
    )) {
      await assert.rejects(addon().restoreEntry(root, path, { mode: S_IFDIR }), refused);
      await assert.rejects(addon().restoreFile(root, path, 0), refused);
      await assert.rejects(addon().restoreLink(root, bytes('a'), path), refused);
      await assert.rejects(addon().restoreLink(root, path, bytes('stolen')), refused);
      await assert.rejects(addon().restoreAttributes(root, path, attributes), refused);
    }
    assert.deepEqual(readdirSync(outside), ['victim']);
    assert.equal(statSync(join(outside, 'victim'), { bigint: true }).ctimeNs, before.ctimeNs);
    assert.ok(!existsSync(join(root, 'stolen')));
  });

  it('rejects what is in the way with ERR_CREATE and names it', async (context) => {
    const root = temporaryDirectory(context);
    writeFileSync(join(root, 'file'), 'kept');
    linkSync(join(root, 'file'), join(root, 'other'));
    const refused = { code: 'ERR_CREATE', details: { path: `${root}/file`, errno: 'EEXIST' } };
    const path = bytes('file');
    for (const mode of [S_IFDIR, S_IFIFO, S_IFSOCK]) {
      await assert.rejects(addon().restoreEntry(root, path, { mode }), refused);
    }
    const link = { mode: S_IFLNK, target: bytes('x') };
    await assert.rejects(addon().restoreEntry(root, path, link), refused);
    await assert.rejects(addon().restoreFile(root, path, 0), refused);
    await assert.rejects(addon().restoreLink(root, bytes('other'), path), refused);
    assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'kept');
  });

  it('rejects paths that could leave the root with ERR_USAGE', async (context) => {
    const root = temporaryDirectory(context);
    for (const path of ['..', 'a/../..', '/etc', './a', 'a//b', 'a/', 'a\0b'].map(bytes)) {
      await assert.rejects(addon().restoreFile(root, path, 0), { code: 'ERR_USAGE' });
    }
  });

  it('throws for arguments of the wrong type or outside their limits', () => {
    const path = bytes('x');
    const attributes = { mode: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };
    for (const bad of [
      { uid: 2 ** 32 - 1 },
      { gid: -1 },
      { mtimeNanoseconds: 1e9 },
      { mtimeSeconds: 0.5 },
      { mode: 2 ** 17 },
    ]) {
      const call = () => addon().restoreAttributes('/tmp', path, { ...attributes, ...bad });
      assert.throws(call, RangeError);
    }
    const xattrs = [{ name: 'user.text', value: bytes('') }] as never;
    assert.throws(
      () => addon().restoreAttributes('/tmp', path, { ...attributes, xattrs }),
      TypeError,
    );
    assert.throws(() => addon().restoreEntry('/tmp', path, { mode: S_IFLNK }), TypeError);
    assert.throws(() => addon().restoreFile('/tmp', path, -1), RangeError);
    assert.throws(() => addon().writeSparse(0, 2 ** 53 - 1, bytes('x')), RangeError);
  });

  it('leaves owners and xattrs alone that are not given', async (context) => {
    const root = temporaryDirectory(context);
    execFileSync('sh', ['-ec', 'touch file; setfattr -n user.kept -v 1 file'], { cwd: root });
    const before = await addon().scanEntry(root, bytes('file'));
    await addon().restoreAttributes(root, bytes('file'), {
      mode: 0o600,
      mtimeSeconds: 1,
      mtimeNanoseconds: 2,
    });
    const after = await addon().scanEntry(root, bytes('file'));
    assert.deepEqual([after.uid, after.gid, after.xattrs], [before.uid, before.gid, before.xattrs]);
  });
});
