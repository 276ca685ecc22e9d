/** `flist find` beside find(1), on one tree. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { MountIndexReader } from '../../../../src/format/index/reader.ts';
import { bufferSource } from '../../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../../src/format/index/writer.ts';
import type { Inode } from '../../../../src/format/tree.ts';
import { compileFind } from '../../../../src/image/find/expression.ts';
import { searchImage } from '../../../../src/image/find/search.ts';
import { walkTree } from '../../../../src/image/walk.ts';
import { contentOf, directory, file } from '../../../support/index-trees.ts';
import { NodeScan } from '../../../support/node-scan.ts';

let root = '';
let index: MountIndexReader;

function indexOf(tree: Inode): MountIndexReader {
  const pieces = [...buildMountIndex(tree).erofs()];
  return new MountIndexReader(bufferSource(new Uint8Array(Buffer.concat(pieces))));
}

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'g8ufs-test-'));
  const at = (path: string): string => join(root, path);
  for (const dir of ['etc/deep/deeper', 'usr/lib', 'empty', 'proc/1']) {
    mkdirSync(at(dir), { recursive: true });
  }
  const sizes = { 'etc/a': 0, 'etc/b.conf': 1, 'etc/deep/B.CONF': 512, 'usr/lib/c.so': 513 };
  const more = { 'usr/lib/d.so.1': 1024 * 1024, 'usr/e': 1024 * 1024 + 1, 'proc/1/x.so': 5000 };
  const now = Date.now() / 1000;
  let age = 0;
  for (const [path, size] of Object.entries({ ...sizes, ...more })) {
    writeFileSync(at(path), '');
    truncateSync(at(path), size);
    // Away from the edges of minutes and days, so that the time that passes meanwhile does not matter.
    utimesSync(at(path), now, now - age - 30);
    age = age * 3 + 3600;
  }
  linkSync(at('usr/e'), at('usr/lib/f'));
  symlinkSync('b.conf', at('etc/link'));
  lutimesSync(at('etc/link'), 1, 1);
  const modes = { 'etc/a': 0o4755, 'etc/b.conf': 0o600, 'usr/lib/c.so': 0o2711, empty: 0o1777 };
  for (const [path, mode] of Object.entries(modes)) chmodSync(at(path), mode);
  execFileSync('mkfifo', [at('usr/pipe')]);
  const { root: tree, files } = await walkTree(root, { scan: new NodeScan() });
  for (const { inode, path } of files) {
    inode.content = contentOf(Buffer.from(path).toString('latin1'), inode.size);
  }
  index = indexOf(tree);
});

after(() => rmSync(root, { recursive: true, force: true }));

async function find(words: readonly string[], reader = index): Promise<string[]> {
  const paths: string[] = [];
  const start = { nid: reader.root(), path: Buffer.from('/') };
  const image = { index: reader };
  for await (const { entry } of searchImage(image, [start], compileFind(words))) {
    paths.push(Buffer.from(entry.path()).toString());
  }
  return paths;
}

/** Real paths begin with a dot where ours begin at the root. */
function realFind(words: readonly string[]): string[] {
  const out = execFileSync('find', ['.', ...words], { cwd: root, encoding: 'utf8' });
  const paths = out.split('\n').filter((line) => line !== '');
  return paths.map((path) => (path === '.' ? '/' : path.slice(1)));
}

const EXPRESSIONS = [
  '',
  '-name *.so',
  '-name [!a-c]*',
  '-iname *.conf',
  '-type f',
  '-type d,l',
  '-type p',
  '-type f -size 1',
  '-type f -size +1',
  '-type f -size -2',
  '-type f -size 0',
  '-type f -size 1c',
  '-type f -size -1M',
  '-type f -size 1M',
  '-type f -size +1M',
  '-type f -size +0k',
  '-type f -size 257w',
  '-mtime 0',
  '-mtime +0',
  '-mtime -1',
  '-type f -mtime 1',
  '-mmin -60',
  '-mmin +60',
  '-type f -mmin 1',
  '-type f -mmin 61',
  '-newermt 1970-01-02',
  '-not -newermt 1970-01-02',
  '-perm 600',
  '-perm -600',
  '-perm /6000',
  '-perm -u+s',
  '-perm /u=s,g=s',
  '-perm -o=t',
  '-perm u=rw',
  '-perm /000',
  '-perm -a+x',
  '-links 2 -type f',
  '-links +1 -type f',
  '-uid 0',
  '-uid +0',
  '-gid -1',
  '-empty',
  '-type d -empty',
  '-maxdepth 0',
  '-maxdepth 1',
  '-mindepth 1 -maxdepth 2',
  '-mindepth 3',
  '! -type d',
  '-not -not -type d',
  '-type f -name *.so -o -type l',
  '-type f ( -name *.so -o -name *.conf ) -size +0',
  '-type f -a -name *.so -or -type d -and -name e*',
  '-type d -name proc -prune -o -type f -print',
  '-name lib -prune -o -print',
  '-type d -prune',
  '-name deep -print -o -name *.so -print',
  '-false -o -true',
];

for (const words of EXPRESSIONS) {
  test(`find ${words} gives what find(1) gives`, async () => {
    const list = words.split(' ').filter((word) => word !== '');
    const expected = realFind(list).sort();
    assert.deepEqual((await find(list)).sort(), expected);
    const doubled = list.map((word) => word.replace(/^-(?=[a-z]+$)/, '--'));
    assert.deepEqual((await find(doubled)).sort(), expected);
  });
}

test('find --path and --regex match from the root of the image', async () => {
  assert.deepEqual(await find(['-path', '/etc/*.conf']), ['/etc/b.conf']);
  assert.deepEqual(await find(['-ipath', '/ETC/*.conf']), ['/etc/b.conf', '/etc/deep/B.CONF']);
  assert.deepEqual(await find(['--regex=/usr/.*[.]so([.]\\d)?']), [
    '/usr/lib/c.so',
    '/usr/lib/d.so.1',
  ]);
  assert.deepEqual(await find(['-regex', 'lib']), []);
});

test('find --newer-than takes seconds and ISO times', async () => {
  assert.deepEqual(await find(['!', '--newer-than', '@1']), ['/etc/link']);
  assert.deepEqual(await find(['!', '--newer-than', '1970-01-01T00:00:01Z']), ['/etc/link']);
  assert.ok((await find(['!', '--newer-than', '@0'])).length === 0);
});

test('find --xattr looks at names of attributes', async () => {
  const tree = directory({ a: file('a', 1, { xattrs: { 'user.x': '1' } }), b: file('b', 1) });
  assert.deepEqual(await find(['--xattr', 'user.*'], indexOf(tree)), ['/a']);
});

test('find --quit ends at the first match', async () => {
  assert.equal((await find(['-type', 'f', '-print', '-quit'])).length, 1);
});

const WRONG = [
  '-nme x',
  '-name',
  '-size 1X',
  '-size M',
  '-type x',
  '-perm 9',
  '-perm u+q',
  '-mtime x',
  '-maxdepth -1',
  '-regex (',
  '-newer-than never',
  '( -name x',
  '-name x )',
  '-not',
  '-name x -o',
  'x -name y',
  '-constructor x',
];

for (const words of WRONG) {
  test(`find ${words} is a usage error`, () => {
    assert.throws(
      () => compileFind(words.split(' ')),
      (error) => isG8Error(error, 'ERR_USAGE'),
    );
  });
}

test('find refuses expressions that are nested without end', () => {
  const words = [...Array.from({ length: 100_000 }, () => '!'), '-true'];
  assert.throws(() => compileFind(words), /nested too deeply/);
});
