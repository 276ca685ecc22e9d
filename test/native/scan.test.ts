import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { compareBytes } from '../../src/base/bytes.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../src/format/tree.ts';
import type { ScannedEntry } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const IS_ROOT = process.getuid?.() === 0;
const NOT_ROOT = !IS_ROOT && 'needs root';
const ROOT_PATH = new Uint8Array(0);
const SECURITY_CAPABILITY_NET_RAW = 'AQAAAgAgAAAAAAAAAAAAAAAAAAA=';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const shell = (cwd: string, script: string): void => {
  execFileSync('sh', ['-ec', script], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
};

function xattrsOf(entry: ScannedEntry): Record<string, string> {
  const pairs = (entry.xattrs ?? []).map(({ name, value }) => [
    Buffer.from(name).toString(),
    Buffer.from(value).toString('base64'),
  ]);
  return Object.fromEntries(pairs) as Record<string, string>;
}

describe('scanDirectory()', () => {
  let root = '';
  let entries = new Map<string, ScannedEntry>();
  const entry = (name: string): ScannedEntry => {
    const found = entries.get(name);
    assert.ok(found !== undefined, `no entry ${name}`);
    return found;
  };

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'g8ufs-test-'));
    shell(
      root,
      `printf data > file; ln file hard; chmod 6751 file
       touch -d '1960-01-02 03:04:05.678901234 UTC' file
       mkdir dir; chmod 1777 dir; mkfifo fifo
       ln -s 'dangling target' link; touch -h -d @-7.25 link
       setfattr -n user.empty file; setfattr -n user.binary -v 0x00ff00 file
       setfattr -n user.on-dir -v d dir
       setfacl -m u:1234:rx file; setfacl -d -m g:99:rw dir`,
    );
    if (IS_ROOT) {
      shell(
        root,
        `chown 1000:4000000000 dir; chown -h 7:8 link
         mknod char c 511 70000; mknod block b 7 260
         setfattr -h -n trusted.mark -v link link; setfattr -n trusted.mark -v fifo fifo
         setcap cap_net_raw+ep hard`,
      );
    }
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve));
    // Closing removes the socket's file: a hard link keeps it.
    shell(root, 'ln socket kept-socket');
    await new Promise((resolve) => server.close(resolve));
    const found = await addon().scanDirectory(root, ROOT_PATH);
    entries = new Map(found.map((each) => [Buffer.from(each.name).toString(), each]));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('tells the type of every entry without opening it', () => {
    const types = {
      file: S_IFREG,
      dir: S_IFDIR,
      link: S_IFLNK,
      fifo: S_IFIFO,
      'kept-socket': S_IFSOCK,
    };
    for (const [name, type] of Object.entries(types)) {
      assert.equal(entry(name).mode & S_IFMT, type, name);
    }
  });

  it('gives device numbers of devices', { skip: NOT_ROOT }, () => {
    const numbers = ['char', 'block'].map((name) => [
      entry(name).mode & S_IFMT,
      entry(name).rdevMajor,
      entry(name).rdevMinor,
    ]);
    assert.deepEqual(numbers, [
      [S_IFCHR, 511, 70000],
      [S_IFBLK, 7, 260],
    ]);
  });

  it('gives all permission bits, owners and sizes', () => {
    assert.equal(entry('dir').mode & 0o7777, 0o1777);
    assert.equal(entry('file').size, 4);
    if (!IS_ROOT) return;
    assert.deepEqual([entry('dir').uid, entry('dir').gid], [1000, 4000000000]);
    assert.deepEqual([entry('link').uid, entry('link').gid], [7, 8]);
  });

  it('gives times before 1970 with nanoseconds', () => {
    const seconds = Date.UTC(1960, 0, 2, 3, 4, 5) / 1000;
    const { mtimeSeconds, mtimeNanoseconds } = entry('file');
    assert.deepEqual([mtimeSeconds, mtimeNanoseconds], [seconds, 678901234]);
    assert.deepEqual([entry('link').mtimeSeconds, entry('link').mtimeNanoseconds], [-8, 750000000]);
    assert.ok(entry('file').ctimeSeconds > 1.7e9);
  });

  it('identifies hard links', () => {
    assert.deepEqual(
      [entry('file').ino, entry('file').dev],
      [entry('hard').ino, entry('hard').dev],
    );
    assert.equal(entry('file').nlink, 2);
    assert.notEqual(entry('dir').ino, entry('file').ino);
  });

  it('gives targets of symlinks only', () => {
    assert.equal(Buffer.from(entry('link').target!).toString(), 'dangling target');
    assert.ok(!('target' in entry('file')));
  });

  it('gives xattrs, ACLs and capabilities in byte order', { skip: NOT_ROOT }, () => {
    assert.deepEqual(Object.keys(xattrsOf(entry('file'))), [
      'security.capability',
      'system.posix_acl_access',
      'user.binary',
      'user.empty',
    ]);
    const xattrs = xattrsOf(entry('file'));
    assert.equal(xattrs['user.binary'], 'AP8A');
    assert.equal(xattrs['user.empty'], '');
    assert.equal(xattrs['security.capability'], SECURITY_CAPABILITY_NET_RAW);
    assert.ok('system.posix_acl_default' in xattrsOf(entry('dir')));
    assert.ok(!('xattrs' in entry('char')));
  });

  it('gives the own xattrs of symlinks and fifos', { skip: NOT_ROOT }, () => {
    assert.deepEqual(xattrsOf(entry('link')), {
      'trusted.mark': Buffer.from('link').toString('base64'),
    });
    assert.deepEqual(xattrsOf(entry('fifo')), {
      'trusted.mark': Buffer.from('fifo').toString('base64'),
    });
  });

  it('sorts names that are not UTF-8 by their bytes', async (context) => {
    const directory = temporaryDirectory(context);
    const names = [
      [0xff, 0xfe],
      [0x80],
      [0x01],
      [0x0a],
      [0x61],
      [0x61, 0x2e],
      [0xc3, 0xa9],
      [0x41],
    ];
    for (const name of names) {
      writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name)]), '');
    }
    const found = await addon().scanDirectory(directory, ROOT_PATH);
    const expected = names.map((name) => new Uint8Array(name)).sort(compareBytes);
    assert.deepEqual(
      found.map((each) => each.name),
      expected,
    );
  });

  it('reads 100 000 entries in one call', { timeout: 120_000 }, async (context) => {
    const directory = temporaryDirectory(context);
    const count = 100_000;
    for (let i = 0; i < count; i++) closeSync(openSync(`${directory}/${i}`, 'w'));
    const found = await addon().scanDirectory(directory, ROOT_PATH);
    assert.equal(found.length, count);
    for (let i = 1; i < count; i++) {
      assert.ok(compareBytes(found[i - 1]!.name, found[i]!.name) < 0);
    }
  });

  it('reads directories deeper than PATH_MAX', async (context) => {
    const directory = temporaryDirectory(context);
    // A path this long can only be made step by step.
    const name = 'd'.repeat(250);
    const depth = 40;
    const source = `
      const { mkdirSync, symlinkSync, writeFileSync } = require('node:fs');
      const { execFileSync } = require('node:child_process');
      for (const name of ['deep', ...Array(${depth}).fill('${name}')]) {
        mkdirSync(name);
        process.chdir(name);
      }
      writeFileSync('file', 'deep');
      symlinkSync('target', 'link');
      execFileSync('setfattr', ['-n', 'user.deep', '-v', '1', 'file']);`;
    execFileSync(process.execPath, ['-e', source], { cwd: directory });
    const path = ['deep', ...Array<string>(depth).fill(name)].join('/');
    const found = await addon().scanDirectory(directory, bytes(path));
    assert.deepEqual(
      found.map((each) => Buffer.from(each.name).toString()),
      ['file', 'link'],
    );
    assert.deepEqual(Object.keys(xattrsOf(found[0]!)), ['user.deep']);
    assert.equal(Buffer.from(found[1]!.target!).toString(), 'target');
    const fd = await addon().openBeneath(directory, bytes(`${path}/file`));
    context.after(() => closeSync(fd));
    assert.equal(readFileSync(fd, 'utf8'), 'deep');
  });

  it('keeps working while entries come and go', async (context) => {
    const directory = temporaryDirectory(context);
    for (let i = 0; i < 500; i++) writeFileSync(`${directory}/${i}`, '');
    writeFileSync(`${directory}/stays`, '');
    const scans = Array.from({ length: 10 }, () => addon().scanDirectory(directory, ROOT_PATH));
    for (let i = 0; i < 500; i++) rmSync(`${directory}/${i}`);
    for (const found of await Promise.all(scans)) {
      assert.equal(Buffer.from(found.at(-1)!.name).toString(), 'stays');
    }
  });

  it('never follows a symlink below the root', async (context) => {
    const directory = temporaryDirectory(context);
    shell(directory, 'mkdir real; ln -s real alias; ln -s / out');
    for (const path of ['alias', 'out', 'out/etc', 'alias/x']) {
      await assert.rejects(addon().scanDirectory(directory, bytes(path)), { code: 'ERR_NO_INPUT' });
    }
  });

  it('rejects paths that could leave the root with ERR_USAGE', async () => {
    for (const path of ['..', 'a/../..', '/etc', './a', 'a//b', 'a/', 'a\0b']) {
      await assert.rejects(addon().scanDirectory('/tmp', bytes(path)), { code: 'ERR_USAGE' });
    }
  });

  it('names the path in its error', async (context) => {
    const directory = temporaryDirectory(context);
    await assert.rejects(addon().scanDirectory(directory, bytes('no\nsuch')), {
      code: 'ERR_NO_INPUT',
      details: { path: `${directory}/no\\x0asuch`, errno: 'ENOENT' },
    });
  });

  it('rejects an unreadable directory with ERR_PERMISSION', { skip: NOT_ROOT }, (context) => {
    const directory = temporaryDirectory(context);
    shell(directory, 'chmod 755 .; mkdir closed; chmod 0 closed');
    const source = `
      process.setuid(65534);
      const { addon } = await import(${JSON.stringify(new URL('../../src/native/load.js', import.meta.url).href)});
      await addon().scanDirectory(${JSON.stringify(directory)}, Buffer.from('closed')).catch((e) => console.log(e.code));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', source], {
      encoding: 'utf8',
    });
    assert.equal(output, 'ERR_PERMISSION\n');
  });
});

describe('scanEntry()', () => {
  it('gives the root for the empty path, with its xattrs and without a name', async (context) => {
    const directory = temporaryDirectory(context);
    shell(directory, 'setfattr -n user.root -v 1 .; chmod 2750 .');
    const entry = await addon().scanEntry(directory, ROOT_PATH);
    assert.equal(entry.name.length, 0);
    assert.equal(entry.mode, S_IFDIR | 0o2750);
    assert.deepEqual(Object.keys(xattrsOf(entry)), ['user.root']);
  });

  it('gives the same as the scan of the directory', async (context) => {
    const directory = temporaryDirectory(context);
    shell(directory, 'mkdir a; printf x > a/file; setfattr -n user.a -v 1 a/file');
    const [found] = await addon().scanDirectory(directory, bytes('a'));
    const entry = await addon().scanEntry(directory, bytes('a/file'));
    assert.deepEqual({ ...entry, name: found!.name }, found);
  });
});

describe('openBeneath()', () => {
  it('opens regular files for reading only', async (context) => {
    const directory = temporaryDirectory(context);
    writeFileSync(join(directory, 'file'), 'data');
    const fd = await addon().openBeneath(directory, bytes('file'));
    context.after(() => closeSync(fd));
    assert.equal(readFileSync(fd, 'utf8'), 'data');
    assert.throws(() => writeSync(fd, 'x'), { code: 'EBADF' });
  });

  it('rejects everything else with ERR_NO_INPUT and waits for nothing', async (context) => {
    const directory = temporaryDirectory(context);
    shell(directory, 'mkdir dir; mkfifo fifo; printf x > file; ln -s file link');
    for (const path of ['dir', 'fifo', 'link', 'absent', 'file/below', '']) {
      await assert.rejects(addon().openBeneath(directory, bytes(path)), { code: 'ERR_NO_INPUT' });
    }
  });
});

describe('findData()', () => {
  it('finds where data begins behind an offset', (context) => {
    const fd = openSync(join(temporaryDirectory(context), 'sparse'), 'w+');
    context.after(() => closeSync(fd));
    const mebibyte = 1 << 20;
    ftruncateSync(fd, 4 * mebibyte);
    writeSync(fd, 'x', mebibyte);
    assert.equal(addon().findData(fd, 0), mebibyte);
    assert.equal(addon().findData(fd, mebibyte), mebibyte);
    assert.equal(addon().findData(fd, 2 * mebibyte), -1);
    assert.equal(addon().findData(fd, 9 * mebibyte), -1);
  });

  it('throws ERR_IO for a descriptor that is not open', () => {
    assert.throws(() => addon().findData(1_000_000, 0), { code: 'ERR_IO' });
  });
});
