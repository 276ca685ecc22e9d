/** Making a flist and looking into it, with a folder as the store. */
import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { fixturesDir } from '../../support/fixtures.ts';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let work = '';
const flist = (): string => join(work, 'image.flist');
const store = (): string => `dir://${join(work, 'store')}`;

after(() => rmSync(work, { recursive: true, force: true }));

before(async () => {
  work = mkdtempSync(join(tmpdir(), 'g8ufs-test-'));
  const source = join(work, 'source');
  mkdirSync(join(source, 'etc/deep'), { recursive: true });
  writeFileSync(join(source, 'etc/hello'), 'hello\n');
  linkSync(join(source, 'etc/hello'), join(source, 'etc/deep/again'));
  symlinkSync('etc/hello', join(source, 'link'));
  writeFileSync(
    join(source, 'large'),
    new Uint8Array(1_500_000).map((_, i) => (i * i) % 251),
  );
  truncateSync(join(source, 'large'), 5_000_000);
  writeFileSync(Buffer.concat([Buffer.from(`${source}/raw`), Buffer.of(0xff)]), 'raw');
  writeFileSync(join(source, 'skipped.tmp'), 'skipped');
  utimesSync(join(source, 'etc/hello'), 0, 1);
  const args = ['flist', 'create', source, flist(), '--store', store(), '-x', '*.tmp', '--json'];
  const { code, stdout, stderr } = await runCli([...args, '--owner', '5:6']);
  assert.deepEqual([code, stderr], [0, '']);
  const { entries, files, bytes, output } = JSON.parse(stdout);
  assert.deepEqual([entries, files, bytes], [8, 3, 5_000_009]);
  assert.equal(output, flist());
});

test('flist create gives the same image again, whatever the time', async () => {
  const again = join(work, 'again.flist');
  const args = ['flist', 'create', join(work, 'source'), again, '-s', store(), '-x', '*.tmp'];
  const { stdout } = await runCli([...args, '--owner', '5:6', '--json']);
  assert.equal(JSON.parse(stdout).newChunks, 0);
  assert.deepEqual(readFileSync(again), readFileSync(flist()));
});

test('flist create needs a store', async () => {
  const { code, stderr } = await runCli(['flist', 'create', work, join(work, 'x.flist')]);
  assert.deepEqual([code, stderr.includes('--store')], [64, true]);
});

test('flist create ends with 66 without its source and 73 without its target', async () => {
  const absent = await runCli(['flist', 'create', '/no/such', join(work, 'x'), '-s', store()]);
  assert.equal(absent.code, 66);
  const blocked = await runCli(['flist', 'create', work, '/no/such/x', '-s', store()]);
  assert.equal(blocked.code, 73);
});

test('flist ls lists names, raw bytes for a pipe', async () => {
  const { code, stdoutBytes } = await runCli(['flist', 'ls', flist()]);
  assert.equal(code, 0);
  assert.equal(
    stdoutBytes.toString(),
    Buffer.from('etc\nlarge\nlink\nraw\xff\n', 'latin1').toString(),
  );
});

test('flist ls -lR shows attributes and links', async () => {
  const { stdout } = await runCli(['flist', 'ls', '-lR', flist(), '/etc']);
  const lines = stdout.split('\n');
  assert.equal(lines[0], '/etc:');
  assert.match(stdout, /\n-rw-r--r-- 2 5 6 +6 1970-01-01 00:00 hello\n/);
  assert.match(stdout, /\n\/etc\/deep:\n.* again\n$/);
  const { stdout: top } = await runCli(['flist', 'ls', '-l', flist(), '/link']);
  assert.match(top, /^l.* link -> etc\/hello\n$/);
});

test('flist ls --json gives hex for names that are no UTF-8', async () => {
  const { stdout } = await runCli(['flist', 'ls', '--json', flist()]);
  const entries = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    entries.map(({ path }) => path),
    ['/etc', '/large', '/link', '/raw\ufffd'],
  );
  assert.equal(entries[3].pathHex, '2f726177ff');
  assert.equal(entries[2].target, 'etc/hello');
});

test('flist stat shows a path without following it', async () => {
  const { stdout } = await runCli(['flist', 'stat', flist(), '/link', '/etc/hello', '--json']);
  const [link, hello] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(link.type, 'symlink');
  assert.deepEqual([hello.type, hello.nlink, hello.size, hello.uid], ['file', 2, 6, 5]);
  assert.equal(hello.mtime, '1970-01-01T00:00:01.000000000Z');
});

test('flist stat prints nothing when one of its paths is wrong', async () => {
  const { code, stdout, stderr } = await runCli(['flist', 'stat', flist(), '/etc', '/no']);
  assert.deepEqual([code, stdout], [66, '']);
  assert.match(stderr, /^g8ufs: \/no is not in .*\(ERR_NO_INPUT\)\n$/);
});

test('flist find filters by name and type below a folder', async () => {
  const all = await runCli(['flist', 'find', flist(), '/etc']);
  assert.equal(all.stdout, '/etc\n/etc/deep\n/etc/deep/again\n/etc/hello\n');
  const some = await runCli(['flist', 'find', flist(), '--name', 'h*', '--type', 'f', '-0']);
  assert.equal(some.stdout, '/etc/hello\0');
});

test('flist cat prints files byte for byte, through links and holes', async () => {
  const { code, stdoutBytes } = await runCli([
    'flist',
    'cat',
    flist(),
    'link',
    'large',
    '-s',
    store(),
  ]);
  const expected = ['etc/hello', 'large'].map((name) => readFileSync(join(work, 'source', name)));
  assert.equal(code, 0);
  assert.ok(Buffer.concat(expected).equals(stdoutBytes));
});

test('flist cat refuses a folder and a flist that names no store', async () => {
  assert.equal((await runCli(['flist', 'cat', flist(), 'etc', '-s', store()])).code, 66);
  assert.equal((await runCli(['flist', 'cat', flist(), 'link'])).code, 78);
});

test('flist cat shows no byte of a chunk that was changed', async (t) => {
  const broken = temporaryDirectory(t);
  for (const file of readdirSync(join(work, 'store'), { recursive: true, encoding: 'utf8' })) {
    const id = /([0-9a-f]{64})$/.exec(file)?.[1];
    if (id === undefined) continue;
    const bytes = readFileSync(join(work, 'store', file));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(join(broken, id), bytes);
  }
  const { code, stdoutBytes, stderr } = await runCli([
    'flist',
    'cat',
    flist(),
    'link',
    '-s',
    broken,
  ]);
  assert.deepEqual([code, stdoutBytes.length], [65, 0]);
  assert.match(stderr, /\(ERR_CHUNK_CORRUPT\)\n$/);
});

test('flist info agrees with what create has said', async () => {
  const { stdout } = await runCli(['flist', 'info', flist(), '--json']);
  const info = JSON.parse(stdout);
  assert.equal(info.generation, 'ours');
  assert.equal(info.hasMountIndex, true);
  assert.deepEqual(
    [info.entries, info.files, info.bytes, info.stores.length],
    [8, 3, 5_000_009, 0],
  );
  assert.match((await runCli(['flist', 'info', flist()])).stdout, new RegExp(info.rootDigest));
});

test('flist info refuses what is no flist', async () => {
  const { code, stderr } = await runCli(['flist', 'info', join(work, 'source/large')]);
  assert.equal(code, 65);
  assert.match(stderr, /^g8ufs: .*\(ERR_FLIST_FORMAT\)\n$/);
});

test('the look commands leave no temporary folder behind', async (t) => {
  const TMPDIR = temporaryDirectory(t);
  await runCli(['flist', 'info', flist()], { TMPDIR });
  await runCli(['flist', 'info', join(work, 'source/large')], { TMPDIR });
  assert.deepEqual(readdirSync(TMPDIR), []);
});

test('flist cat reads files of historical flists', async (t) => {
  const fixtures = fixturesDir();
  if (fixtures === undefined) return t.skip('fixtures are not installed');
  for (const [image, path, start] of [
    ['rocksdb/sample-legacy.flist', 'rocksdb/chunks', 'g1'],
    ['zflist/sample.flist', 'zflist/chunks', 'sqlite'],
  ] as const) {
    const source = join(fixtures, image);
    const info = JSON.parse((await runCli(['flist', 'info', '--json', source])).stdout);
    assert.deepEqual([info.generation, info.hasMountIndex], [start, false]);
    const found = await runCli(['flist', 'find', source, '--type', 'f', '--json']);
    const files = found.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const file = files.find(({ size, pathHex }) => size > 1000 && pathHex === undefined);
    const args = ['flist', 'cat', source, file.path, '--store', join(fixtures, path)];
    const { code, stdoutBytes } = await runCli(args);
    assert.deepEqual([code, stdoutBytes.length], [0, file.size]);
  }
});
