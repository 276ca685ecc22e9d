/** Changing flists through the program, with a folder as the store. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixturesDir } from '../../support/fixtures.ts';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const PROGRAM = fileURLToPath(new URL('../../support/g8ufs.js', import.meta.url));
const fixtures = fixturesDir();
const needsFixtures = { skip: fixtures === undefined ? 'fixtures are not installed' : false };

class World {
  readonly folder: string;
  readonly flist: string;
  readonly store: string;

  constructor(context: TestContext) {
    this.folder = temporaryDirectory(context);
    this.flist = join(this.folder, 'a.flist');
    this.store = join(this.folder, 'store');
  }

  /** Runs `flist …`; the words are parted by blanks, `@` is the flist. */
  async run(line: string, code = 0): Promise<string> {
    const words = line.split(' ').map((word) => (word === '@' ? this.flist : word));
    const env = { G8UFS_STORE: `dir://${this.store}`, SOURCE_DATE_EPOCH: '1000000000' };
    const result = await runCli(['flist', ...words], env);
    assert.equal(result.code, code, `${line}: ${result.stderr}`);
    return code === 0 ? result.stdout : result.stderr;
  }

  /** The same, with standard input. */
  feed(line: string, input: string | Buffer): { code: number | null; stderr: string } {
    const words = line.split(' ').map((word) => (word === '@' ? this.flist : word));
    const env = {
      ...process.env,
      G8UFS_STORE: `dir://${this.store}`,
      SOURCE_DATE_EPOCH: '1000000000',
    };
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'flist', ...words], {
      input,
      env,
    });
    return { code: status, stderr: stderr.toString() };
  }

  async stat(path: string, flist = this.flist) {
    const text = await this.run(`stat --json ${flist} ${path}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  path(name: string): string {
    return join(this.folder, name);
  }
}

async function begin(context: TestContext): Promise<World> {
  const world = new World(context);
  await world.run('init @');
  return world;
}

test('init makes an empty image once, and the same one for the same time', async (context) => {
  const world = await begin(context);
  assert.equal(await world.run('ls @'), '');
  const { mode, uid, mtime } = await world.stat('/');
  assert.deepEqual([mode, uid, mtime], ['0755', 0, '2001-09-09T01:46:40.000000000Z']);
  assert.match(await world.run('init @', 73), /is there already/);
  const other = world.path('b.flist');
  await world.run(`init ${other}`);
  assert.deepEqual(readFileSync(other), readFileSync(world.flist));
});

test('put takes attributes of the file, flags win, and chunks are in the store', async (context) => {
  const world = await begin(context);
  const file = world.path('hello');
  writeFileSync(file, 'hello\n', { mode: 0o640 });
  utimesSync(file, 5, 7);
  await world.run('mkdir -p @ /etc/deep');
  await world.run(`put @ ${file} /etc`);
  await world.run(`put @ ${file} /etc/other --owner 5:6 -m 4711 --mtime 9`);
  assert.equal(await world.run('cat @ /etc/hello /etc/other'), 'hello\nhello\n');
  const first = await world.stat('/etc/hello');
  assert.deepEqual([first['mode'], first['mtime']], ['0640', '1970-01-01T00:00:07.000000000Z']);
  const second = await world.stat('/etc/other');
  assert.deepEqual(
    [second['mode'], second['uid'], second['gid'], second['mtime']],
    ['4711', 5, 6, '1970-01-01T00:00:09.000000000Z'],
  );
});

test('put reads standard input, of any size', async (context) => {
  const world = await begin(context);
  const large = Buffer.alloc(1_500_000, 'some text ');
  assert.deepEqual(world.feed('put @ - /large', large), { code: 0, stderr: '' });
  assert.deepEqual(world.feed('put @ - /empty', ''), { code: 0, stderr: '' });
  assert.equal((await world.run('cat @ /large')).length, large.length);
  assert.deepEqual(
    [(await world.stat('/empty'))['size'], (await world.stat('/large'))['mode']],
    [0, '0644'],
  );
  assert.equal(world.feed('put @ - /', 'x').code, 64);
});

test('put refuses what cannot be, before anything is stored', async (context) => {
  const world = await begin(context);
  writeFileSync(world.path('f'), 'f');
  assert.match(await world.run(`put @ ${world.path('f')} /no/f`, 66), /\/no is not in the image/);
  assert.match(await world.run(`put @ ${world.path('none')} /f`, 66), /none/);
  assert.match(await world.run(`put @ ${world.folder} /f`, 66), /no regular file/);
  assert.match(await world.run(`put @ ${world.path('f')} /f -m 9`, 64), /octal/);
  assert.match(await world.run(`put @ ${world.path('f')} /f --block-size 5000`, 64), /5000|power/);
  assert.equal(existsSync(world.store), false);
});

test('putdir merges a folder, leaves out what matches, follows links of the image', async (context) => {
  const world = await begin(context);
  const source = world.path('source');
  mkdirSync(join(source, 'lib/sub'), { recursive: true });
  writeFileSync(join(source, 'lib/x'), 'x');
  writeFileSync(join(source, 'lib/sub/y'), 'y');
  writeFileSync(join(source, 'skip.tmp'), '');
  symlinkSync('x', join(source, 'lib/link'));
  await world.run('mkdir -p @ /usr/lib');
  await world.run('ln -s @ usr/lib /lib');
  await world.run(`putdir @ ${source} / -x *.tmp --owner 1:2`);
  assert.equal(
    await world.run('find @'),
    '/\n/lib\n/usr\n/usr/lib\n/usr/lib/link\n/usr/lib/sub\n/usr/lib/sub/y\n/usr/lib/x\n',
  );
  assert.equal((await world.stat('/usr/lib/x'))['uid'], 1);
  assert.match(await world.run(`putdir @ ${source}/lib /usr/lib/x`, 73), /is there already/);
  await world.run(`putdir @ ${source} /new/place`);
  assert.equal(await world.run('cat @ /new/place/lib/sub/y'), 'y');
});

test('a store below the folder, and the flist itself, do not get into the image', async (context) => {
  const world = await begin(context);
  writeFileSync(world.path('f'), 'f');
  await world.run(`putdir @ ${world.folder} /`);
  assert.equal(await world.run('ls @'), 'f\n');
});

test('names move, link and vanish', async (context) => {
  const world = await begin(context);
  writeFileSync(world.path('f'), 'f');
  await world.run('mkdir @ /d /e');
  await world.run(`put @ ${world.path('f')} /d/`);
  await world.run('ln @ /d/f /e/hard');
  await world.run('ln -s @ ../d/f /e/soft');
  await world.run('mv @ /e/hard /e/soft /d');
  await world.run('mv @ /e /g');
  assert.equal(await world.run('find @ /'), '/\n/d\n/d/f\n/d/hard\n/d/soft\n/g\n');
  assert.equal((await world.stat('/d/hard'))['nlink'], 2);
  await world.run('rm @ /d', 64);
  await world.run('rmdir @ /d', 64);
  await world.run('rmdir @ /g');
  await world.run('rm @ /none', 66);
  await world.run('rm -f @ /none /d/f');
  await world.run('rm -r @ /d');
  assert.equal(await world.run('find @ /'), '/\n');
});

test('chmod and chown change all names of a file, and all below a directory', async (context) => {
  const world = await begin(context);
  writeFileSync(world.path('f'), 'f', { mode: 0o644 });
  await world.run('mkdir -p @ /d/sub');
  await world.run(`put @ ${world.path('f')} /d/sub/f`);
  await world.run('ln @ /d/sub/f /hard');
  await world.run('ln -s @ /d/sub/f /soft');
  await world.run('chmod @ g+w,o= /soft');
  await world.run('chown -R @ 7:8 /d');
  await world.run('chown --no-dereference @ :9 /soft');
  await world.run('chmod -R @ a+rX /d');
  const shown = [];
  for (const path of ['/hard', '/d/sub', '/soft']) {
    const { mode, uid, gid } = await world.stat(path);
    shown.push([mode, uid, gid]);
  }
  assert.deepEqual(shown, [
    ['0664', 7, 8],
    ['0755', 7, 8],
    ['0777', 0, 9],
  ]);
  assert.match(await world.run('chown @ root /d', 64), /UID/);
});

test('a file that would be the same stays untouched, byte for byte', async (context) => {
  const world = await begin(context);
  await world.run('mkdir @ /d');
  const before = lstatSync(world.flist, { bigint: true });
  for (const line of ['chmod @ 755 /d', 'chown @ 0:0 /d', 'mkdir -p @ /d', 'rm -f @ /x']) {
    await world.run(line);
  }
  const { changed } = JSON.parse(await world.run('chmod @ 755 /d --json')) as { changed: boolean };
  const after = lstatSync(world.flist, { bigint: true });
  assert.deepEqual([changed, after.ino, after.mtimeNs], [false, before.ino, before.mtimeNs]);
});

test('--output leaves the flist as it is; a link to a flist stays a link', async (context) => {
  const world = await begin(context);
  const before = readFileSync(world.flist);
  const other = world.path('other.flist');
  await world.run(`mkdir @ /d -o ${other}`);
  assert.deepEqual(readFileSync(world.flist), before);
  assert.equal(await world.run(`ls ${other}`), 'd\n');
  const link = world.path('link.flist');
  symlinkSync('other.flist', link);
  await world.run(`rmdir ${link} /d`);
  assert.equal(lstatSync(link).isSymbolicLink(), true);
  assert.equal(await world.run(`ls ${other}`), '');
  assert.deepEqual(readdirSync(world.folder).sort(), ['a.flist', 'link.flist', 'other.flist']);
});

test('edit makes all changes of a script, or none', async (context) => {
  const world = await begin(context);
  writeFileSync(world.path('f'), 'f');
  const script = `# a comment\nmkdir -p /srv/"a b"\nput ${world.path('f')} '/srv/a b/'\nmetadata set entrypoint -- /f -x\n`;
  assert.deepEqual(world.feed('edit @', script), { code: 0, stderr: '' });
  assert.equal(await world.run('find @ --type f'), '/srv/a b/f\n');
  assert.equal(await world.run('metadata get @ entrypoint'), '["/f", "-x"]\n');
  const before = readFileSync(world.flist);
  const failures: readonly (readonly [string, number, RegExp])[] = [
    ['mkdir /new\nrm /none\n', 66, /Line 2: \/none is not in the image/],
    ['mkdir /new\n\nls /\n', 64, /Line 3 .*ls is no command/],
    ['mkdir --what /new\n', 64, /Line 1 .*unknown option/],
    ['mkdir "/new\n', 64, /Line 1 .*quote/],
    ['mkdir -o /tmp/x /new\n', 64, /--output belongs to flist edit/],
    ['metadata get entrypoint x\n', 64, /Line 1/],
  ];
  for (const [text, code, message] of failures) {
    const result = world.feed('edit @', text);
    assert.equal(result.code, code, text);
    assert.match(result.stderr, message);
  }
  assert.deepEqual(readFileSync(world.flist), before);
});

test('metadata keeps zflist texts, checks known keys and hides secrets', async (context) => {
  const world = await begin(context);
  await world.run('metadata set @ environ A=1 B=x=y');
  await world.run('metadata set @ environ A=2');
  await world.run('metadata set @ port 80:8080 udp/53');
  await world.run('metadata set @ volume /data /log:/srv/log');
  await world.run('metadata set @ backend zdb://hub.grid.tf:9900/ns');
  await world.run('metadata set @ note some free text');
  writeFileSync(world.path('README'), '# é\n');
  await world.run(`metadata set @ readme --import ${world.path('README')} --license MIT`);
  assert.deepEqual(JSON.parse(await world.run('metadata list @ --json')), {
    environ: '{"A": "2", "B": "x=y"}',
    port: '{"tcp/80": 8080, "udp/53": 53}',
    volume: '{"/data": {}, "/log": {"host": "/srv/log"}}',
    backend: '{"namespace": "ns", "host": "hub.grid.tf", "port": 9900}',
    note: 'some free text',
    readme: '{"readme": "# é\\n", "license": "MIT"}',
  });
  const backend = '{"host": "h", "port": 1, "password": "s3cret"}';
  assert.equal(world.feed('metadata set @ backend -', backend).code, 0);
  assert.doesNotMatch(await world.run('metadata list @'), /s3cret/);
  assert.doesNotMatch(await world.run('metadata get @ backend --json'), /s3cret/);
  assert.match(await world.run('metadata get @ backend --show-secrets'), /s3cret/);
  await world.run('metadata rm @ environ A');
  await world.run('metadata rm @ port 80');
  await world.run('metadata rm @ note');
  assert.equal(await world.run('metadata get @ environ'), '{"B": "x=y"}\n');
  await world.run('metadata get @ note', 66);
  await world.run('metadata rm @ environ A', 66);
  for (const bad of [
    'port 0',
    'environ A',
    'entrypoint []',
    'backend zdb://pw@h:1',
    'volume data',
  ]) {
    await world.run(`metadata set @ ${bad}`, 64);
  }
});

test(
  'a flist of zflist is written back as one, in its own chunks',
  needsFixtures,
  async (context) => {
    const world = new World(context);
    copyFileSync(join(fixtures as string, 'zflist/sample.flist'), world.flist);
    writeFileSync(world.path('f'), 'new file\n');
    const { code, stderr } = world.feed(`put @ ${world.path('f')} /files/new`, '');
    assert.equal(code, 0);
    assert.match(stderr, /written as a flist of zflist/);
    assert.equal(JSON.parse(await world.run('info @ --json')).generation, 'sqlite');
    assert.equal(await world.run('cat @ /files/new'), 'new file\n');
    const entrypoint = '["/bin/sh", "-c", "echo hi"]\n';
    assert.equal(await world.run('metadata get @ entrypoint'), entrypoint);
    const chunks = readdirSync(world.store, { recursive: true, encoding: 'utf8' });
    assert.equal(chunks.filter((name) => /[0-9a-f]{32}$/.test(name)).length, 1);
  },
);

test('a flist of 2017 is written in the form of today', needsFixtures, async (context) => {
  const world = new World(context);
  copyFileSync(join(fixtures as string, 'rocksdb/sample-legacy.flist'), world.flist);
  const before = await world.run('find @');
  const { code, stderr } = world.feed('mkdir @ /new-directory', '');
  assert.equal(code, 0);
  assert.match(stderr, /form of today/);
  assert.equal(JSON.parse(await world.run('info @ --json')).generation, 'ours');
  const after = (await world.run('find @')).split('\n').filter((line) => line !== '/new-directory');
  assert.equal(after.join('\n'), before);
});
