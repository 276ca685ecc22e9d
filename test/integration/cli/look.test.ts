/** The commands that look into flists, with a folder as the store, in a pipe. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const BLOCK = 512 * 1024;
let work = '';
const old = (): string => join(work, 'old.flist');
const young = (): string => join(work, 'young.flist');
const store = (): string => `dir://${join(work, 'store')}`;
const source = (...names: string[]): string => join(work, 'source', ...names);
const pseudoRandom = (size: number, seed: number): Uint8Array =>
  new Uint8Array(size).map((_, i) => (i * i * seed + (i >> 7)) % 253);

after(() => rmSync(work, { recursive: true, force: true }));

before(async () => {
  work = mkdtempSync(join(tmpdir(), 'g8ufs-test-'));
  mkdirSync(source('etc/deep'), { recursive: true });
  writeFileSync(source('etc/hello'), 'hello\n');
  chmodSync(source('etc/hello'), 0o640);
  linkSync(source('etc/hello'), source('etc/deep/again'));
  symlinkSync('etc/hello', source('link'));
  writeFileSync(source('large'), pseudoRandom(3 * BLOCK, 3));
  truncateSync(source('large'), 4 * BLOCK + 5);
  utimesSync(source('etc/hello'), 1, 1);
  await create(old());
  writeFileSync(source('etc/new'), 'new');
  writeFileSync(source('copy'), readFileSync(source('large')));
  chmodSync(source('etc/hello'), 0o600);
  rmSync(source('link'));
  await create(young());
});

async function create(flist: string): Promise<void> {
  const { code, stderr } = await runCli(['flist', 'create', source(), flist, '-s', store()]);
  assert.deepEqual([code, stderr], [0, '']);
}

async function look(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(['flist', ...args]);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

async function jsonLines(...args: string[]) {
  const { stdout } = await runCli(['flist', ...args, '--json']);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('flist tree draws folders as tree(1) does', async () => {
  assert.equal(
    await look('tree', old()),
    [
      '/',
      '|-- etc',
      '|   |-- deep',
      '|   |   `-- again',
      '|   `-- hello',
      '|-- large',
      '`-- link -> etc/hello',
      '',
      '2 directories, 4 files',
      '',
    ].join('\n'),
  );
  const { stdout } = await runCli(['flist', 'tree', '-d', '-L', '1', old()], { LANG: 'C.UTF-8' });
  assert.equal(stdout, '/\n└── etc\n\n1 directory, 0 files\n');
  const lines = await jsonLines('tree', old(), '/etc');
  assert.deepEqual(
    lines.map(({ depth, path }) => `${depth} ${path}`),
    ['0 /etc', '1 /etc/deep', '2 /etc/deep/again', '1 /etc/hello'],
  );
  assert.equal((await runCli(['flist', 'tree', '-L', '0', old()])).code, 64);
});

test('flist ls sorts, and shows a folder itself', async () => {
  assert.equal(await look('ls', '-S', young()), 'copy\nlarge\netc\n');
  assert.equal(await look('ls', '-r', old()), 'link\nlarge\netc\n');
  assert.equal((await look('ls', '-t', old(), '/etc')).split('\n')[1], 'hello');
  assert.match(await look('ls', '-ld', old(), '/'), /^drwx.* \/\n$/);
  assert.match(await look('ls', '-lh', old(), '/large'), / 2\.0 MiB .* large\n$/);
});

test('flist find takes predicates with one dash and two', async () => {
  assert.equal(await look('find', old(), '-type', 'f', '-size', '+1k'), '/large\n');
  assert.equal(
    await look('find', old(), '/etc', '--links', '2', '--type=f', '--not', '-name', 'a*'),
    '/etc/hello\n',
  );
  assert.equal(
    await look('find', old(), '!', '-type', 'd', '-o', '-name', 'deep', '-print0'),
    '/etc/deep\0',
  );
  assert.match(await look('find', old(), '-name', 'link', '-ls'), / l.* \/link -> etc\/hello\n$/);
  const wrong = await runCli(['flist', 'find', old(), '-exec', 'rm']);
  assert.deepEqual([wrong.code, /'-exec' is no predicate/.test(wrong.stderr)], [64, true]);
  assert.match(await look('find', '--help'), /^Usage: g8ufs flist find /);
});

test('flist cat fetches no other chunks than those of a part', async (t) => {
  const part = ['--offset', String(BLOCK - 3), '--length', '10'];
  const { code, stdoutBytes } = await runCli([
    'flist',
    'cat',
    old(),
    '/large',
    ...part,
    '-s',
    store(),
  ]);
  const whole = readFileSync(source('large'));
  assert.deepEqual([code, Buffer.from(stdoutBytes)], [0, whole.subarray(BLOCK - 3, BLOCK + 7)]);
  // A store with the second chunk only.
  const [{ chunks }] = await jsonLines('why', old(), '/large');
  const one = temporaryDirectory(t);
  const { id } = chunks[1];
  const file = readdirSync(join(work, 'store'), { recursive: true, encoding: 'utf8' }).find(
    (path) => path.endsWith(id),
  );
  writeFileSync(join(one, id), readFileSync(join(work, 'store', file as string)));
  const inside = await runCli([
    'flist',
    'cat',
    old(),
    '/large',
    '--offset',
    '512K',
    '--length',
    '512K',
    '-s',
    one,
  ]);
  assert.deepEqual(Buffer.from(inside.stdoutBytes), whole.subarray(BLOCK, 2 * BLOCK));
  assert.equal((await runCli(['flist', 'cat', old(), '/large', '-s', one])).code, 69);
  assert.equal(await look('cat', old(), '/large', '--offset', '1G', '-s', store()), '');
});

test('flist du counts what is shared once, and what is unique', async () => {
  const rows = await jsonLines('du', young(), '-a');
  const byPath = new Map(rows.map((row) => [row.path, row]));
  assert.equal(byPath.get('/').size, 2 * byPath.get('/large').size + 6 + 3);
  assert.deepEqual([byPath.get('/large').unique, byPath.get('/copy').unique], [0, 0]);
  assert.equal(byPath.get('/').stored, byPath.get('/large').stored + byPath.get('/etc').stored);
  assert.equal(byPath.get('/').unique, byPath.get('/').stored);
  const [sum] = await jsonLines('du', '-s', young(), '--against', old());
  assert.equal(sum.unique, byPath.get('/etc/new').stored);
  assert.equal(sum.shared + sum.unique, sum.stored);
  assert.match(await look('du', '-sh', young(), '/etc'), /^ +9 B +9 B +9 B {2}\/etc\n$/);
  assert.equal((await runCli(['flist', 'du', '-s', '-d', '2', young()])).code, 64);
});

test('flist diff tells changes and ends with the codes of diff(1)', async () => {
  const { code, stdout } = await runCli(['flist', 'diff', '--ignore', 'mtime', old(), young()]);
  assert.equal(code, 1);
  assert.equal(
    stdout,
    [
      '+ /copy',
      '~ /etc/deep/again  (mode 0640 -> 0600)',
      '~ /etc/hello  (mode 0640 -> 0600)',
      '+ /etc/new',
      '- /link',
      '',
      'Entries   2 added, 1 removed, 2 changed, 4 the same',
      'Files     2.0 MiB new, 0 B gone',
      'To fetch  1 chunk, 3 B stored',
      '',
    ].join('\n'),
  );
  assert.equal(await look('diff', old(), old()), '');
  const quiet = await runCli(['flist', 'diff', '-q', old(), young()]);
  assert.deepEqual([quiet.code, quiet.stdout], [1, '']);
  const lines = await jsonLines('diff', old(), young(), '/link');
  assert.deepEqual(
    lines.map(({ change, summary }) => change ?? summary.removed),
    ['removed', 1],
  );
});

test('flist diff ends with 2 for trouble of any kind', async () => {
  const cases = [['diff'], ['diff', old(), '/no/such'], ['diff', old(), young(), '/no/such']];
  for (const args of [...cases, ['diff', '--ignore', 'x', old(), old()], ['diff', '--nonsense']]) {
    const { code, stdout, stderr } = await runCli(['flist', ...args, '--json']);
    assert.deepEqual([code, stdout, JSON.parse(stderr).exitCode], [2, '', 2], args.join(' '));
  }
});

test('flist why goes from paths to chunks and back', async () => {
  const [file] = await jsonLines('why', young(), '/large');
  assert.deepEqual(file.sharedWith, [{ path: '/copy' }]);
  assert.deepEqual(
    file.chunks.map(
      ({ codec, offset }: { codec: string; offset: number }) => `${codec} ${offset / BLOCK}`,
    ),
    ['zstd 0', 'zstd 1', 'zstd 2', 'hole 3', 'hole 4'],
  );
  const uses = await jsonLines('why', young(), file.chunks[1].id.slice(0, 16));
  assert.deepEqual(
    uses.map(({ path, chunks }) => [path, chunks[0].offset]),
    [
      ['/copy', BLOCK],
      ['/large', BLOCK],
    ],
  );
  assert.match(
    await look('why', young(), file.content),
    /^Content [0-9a-f]{64}\n {2}\/copy\n {2}\/large\n$/,
  );
  assert.equal((await runCli(['flist', 'why', young(), 'ffffffffffffffff'])).code, 66);
  assert.equal((await runCli(['flist', 'why', young(), '/etc'])).code, 66);
});

test('flist why --check ends with 1 when the stores lack a chunk', async (t) => {
  const args = ['flist', 'why', young(), '/etc/new', '--check', '-s'];
  const there = await runCli([...args, store()]);
  assert.deepEqual([there.code, /, in a store\n/.test(there.stdout)], [0, true]);
  const absent = await runCli([...args, temporaryDirectory(t)]);
  assert.deepEqual([absent.code, /, in no store\n/.test(absent.stdout)], [1, true]);
});

test('flist dump and undump give the same image again', async (t) => {
  const dir = temporaryDirectory(t);
  const dump = await look('dump', young());
  const file = join(dir, 'image.dump');
  writeFileSync(file, dump);
  const again = join(dir, 'again.flist');
  const { rootDigest } = JSON.parse(await look('undump', file, again, '--json'));
  assert.equal(await look('dump', again), dump);
  assert.equal(JSON.parse(await look('info', '--json', young())).rootDigest, rootDigest);
  writeFileSync(file, dump.replace(' 0', ' x'));
  const { code, stderr } = await runCli(['flist', 'undump', file, join(dir, 'broken.flist')]);
  assert.deepEqual([code, /Line 1 of the dump /.test(stderr)], [65, true]);
  assert.deepEqual(readdirSync(dir).sort(), ['again.flist', 'image.dump']);
});

test('flist cp copies files as cp(1) does', async (t) => {
  const dir = temporaryDirectory(t);
  await look('cp', old(), '/link', '/large', dir, '-s', store());
  assert.deepEqual(readdirSync(dir).sort(), ['hello', 'large']);
  assert.equal(readFileSync(join(dir, 'hello'), 'utf8'), 'hello\n');
  assert.ok(readFileSync(join(dir, 'large')).equals(readFileSync(source('large'))));
  assert.notEqual(statSync(join(dir, 'hello')).mtimeMs, 1000);
  await look('cp', '-p', young(), '/etc/new', join(dir, 'hello'), '-s', store());
  assert.equal(readFileSync(join(dir, 'hello'), 'utf8'), 'new');
  assert.deepEqual(readdirSync(dir).sort(), ['hello', 'large']);
});

test('flist cp -a copies folders with their attributes', async (t) => {
  const target = join(temporaryDirectory(t), 'all');
  await look('cp', '-a', young(), '/', target, '-s', store());
  const changes = execFileSync('rsync', [
    '-aHni',
    '--checksum',
    '--delete',
    `${source()}/`,
    `${target}/`,
  ]);
  assert.equal(changes.toString(), '');
  assert.equal(
    lstatSync(join(target, 'etc/hello')).ino,
    lstatSync(join(target, 'etc/deep/again')).ino,
  );
});

test('flist cp leaves nothing behind when it fails', async (t) => {
  const dir = temporaryDirectory(t);
  writeFileSync(join(dir, 'kept'), 'kept');
  const folder = await runCli(['flist', 'cp', old(), '/etc', dir, '-s', store()]);
  assert.deepEqual([folder.code, /with -r or -a/.test(folder.stderr)], [64, true]);
  const absent = await runCli([
    'flist',
    'cp',
    old(),
    '/large',
    join(dir, 'kept'),
    '-s',
    temporaryDirectory(t),
  ]);
  assert.equal(absent.code, 69);
  assert.deepEqual(readdirSync(dir), ['kept']);
  assert.equal(readFileSync(join(dir, 'kept'), 'utf8'), 'kept');
});

test('a flist behind a URL is read no further than its mount index', async (t) => {
  const files = Array.from(
    { length: 20_000 },
    (_, i) =>
      `/f${String(i).padStart(6, '0')} 100644 0:0 ${i * 7919}+${String((i * 104_729) % 1_000_000_000).padStart(9, '0')} size=0`,
  );
  const dir = temporaryDirectory(t);
  writeFileSync(join(dir, 'dump'), `${['/ 040755 0:0 0+000000000', ...files].join('\n')}\n`);
  const flist = join(dir, 'many.flist');
  await look('undump', join(dir, 'dump'), flist, '--compress', 'none');
  const bytes = readFileSync(flist);
  // It waits behind the mount index for ever: whoever asks for more than that does not end.
  const records = bytes.indexOf('CURRENT\0');
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': String(bytes.length) });
    response.write(bytes.subarray(0, records + 64 * 1024));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/many.flist`;
  assert.equal(await look('find', url, '-name', 'f012345'), '/f012345\n');
  assert.equal(JSON.parse(await look('info', url, '--json')).flistSize, bytes.length);
});

test('a broken connection is taken up where it broke, but not with another flist', async (t) => {
  const bytes = readFileSync(old());
  let tag = '"1"';
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const { range } = request.headers;
    ranges.push(range);
    const start = range === undefined ? 0 : Number(/\d+/.exec(range)?.[0]);
    const isSame = request.headers['if-range'] === tag;
    const headers = { etag: tag, 'content-length': String(bytes.length - (isSame ? start : 0)) };
    if (range === undefined) {
      response.writeHead(200, headers);
      response.write(bytes.subarray(0, 100), () => response.socket?.destroySoon());
    } else if (isSame) {
      response.writeHead(206, {
        ...headers,
        'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
      });
      response.end(bytes.subarray(start));
    } else response.writeHead(200, headers).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/old.flist`;
  assert.equal(await look('dump', url), await look('dump', old()));
  assert.deepEqual(ranges, [undefined, 'bytes=100-']);
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    tag = request.headers.range === undefined ? '"2"' : '"3"';
    response.writeHead(200, { etag: tag, 'content-length': String(bytes.length) });
    response.write(bytes.subarray(0, 100), () => response.socket?.destroySoon());
  });
  assert.equal((await runCli(['flist', 'dump', url])).code, 76);
});
