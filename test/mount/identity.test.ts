/** A mount shows the tree that the flist was made of, in everything a file system can tell. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { differences, MountWorld, run } from '../support/mount-world.ts';
import { amount } from '../support/thorough.ts';

const TORTURE = join(findRoot(), 'test/support/torture-tree.sh');

function findRoot(): string {
  return fileURLToPath(new URL('../../../../', import.meta.url));
}

async function tortureTree(world: MountWorld, entries: number, sparseMib = 64): Promise<string> {
  const source = world.path('source');
  const made = await run('bash', TORTURE, source, String(entries), String(sparseMib));
  assert.equal(made.code, 0, made.stderr);
  return source;
}

test('mount shows the torture tree as rsync sees it', async (context) => {
  const world = new MountWorld(context);
  const source = await tortureTree(world, amount(20_000, 100_000), amount(128, 1024));
  await world.startHub();
  const mnt = await world.mount(await world.create(source));

  assert.deepEqual(await differences(source, mnt), []);
  const count = async (tree: string) => (await run('find', tree, '-printf', '.')).stdout.length;
  assert.equal(await count(mnt), await count(source));
  await world.unmount(mnt);
});

test('mount shows the same inode numbers in readdir and stat, shared by hard links', async (context) => {
  const world = new MountWorld(context);
  const source = await tortureTree(world, 10);
  await world.startHub();
  const mnt = await world.mount(await world.create(source));
  const script =
    'opendir(my $d, $ARGV[0]) or die; while (my $n = readdir $d) { next if $n =~ /^\\.\\.?$/; print "$n " }';
  const listed = await run('ls', '-Ui', join(mnt, 'links'));
  const stated = await run('sh', '-c', `cd ${mnt}/links && stat -c '%i %n' * | sort -k2`);

  const inodes = new Map(
    listed.stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(' ') as [string, string])
      .map(([ino, name]) => [name, ino]),
  );
  for (const line of stated.stdout.trim().split('\n')) {
    const [ino, name] = line.split(' ') as [string, string];
    assert.equal(inodes.get(name), ino, name);
  }
  assert.equal(inodes.get('first'), inodes.get('second'));
  assert.equal((await run('perl', '-e', script, join(mnt, 'links'))).code, 0);
  await world.unmount(mnt);
});

test('mount of a flist made twice shows one root digest', async (context) => {
  const world = new MountWorld(context);
  const source = await tortureTree(world, 10);
  await world.startHub();
  const digests = new Set<string>();
  for (const [name, block] of [
    ['first', '512KiB'],
    ['second', '512KiB'],
  ] as const) {
    const flist = world.path(`${name}.flist`);
    const created = await world.json<{ rootDigest: string }>(
      'flist',
      'create',
      source,
      flist,
      '--store',
      world.hubUrl,
      '--block-size',
      block,
    );
    digests.add(created.rootDigest);
  }
  assert.equal(digests.size, 1);
});

test('fuse-native shows the same tree but for what its package cannot express', async (context) => {
  const world = new MountWorld(context);
  const source = await tortureTree(world, 500);
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--driver', 'fuse-native');

  const lines = await differences(source, mnt);
  const allowed = [
    // Names and targets that are not UTF-8.
    /^(>f|cd)\+{9} names\/.*\\#3\d\d/,
    /^cLc\.{8} names\/link-to-bytes -> /,
    // Times before 1970.
    /^\.[fL]\.\.t\.{6} times\/(before-1970|first-second|link)/,
  ];
  assert.deepEqual(
    lines.filter((line) => !allowed.some((pattern) => pattern.test(line))),
    [],
  );
  assert.ok(lines.length >= 5, 'the limits are real, or this test and the docs are out of date');
  await world.unmount(mnt);
});

test('a program runs in the mount with chroot', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('root');
  const needed = (await run('ldd', '/bin/cat')).stdout.matchAll(/(\/[^\s:]+)/g);
  for (const path of ['/bin/cat', ...[...needed].map((match) => match[1] as string)]) {
    mkdirSync(join(source, dirname(path)), { recursive: true });
    copyFileSync(path, join(source, path));
  }
  copyFileSync('/etc/hostname', join(source, 'greeting'));
  await world.startHub();
  const mnt = await world.mount(await world.create(source));

  const inside = await run('chroot', mnt, '/bin/cat', '/greeting');
  assert.equal(inside.stdout, (await run('cat', '/etc/hostname')).stdout, inside.stderr);
  await world.unmount(mnt);
});
