/** What is exported is the tree that the flist was made of: as a folder, and as archives for real tars. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { differences, MountWorld, run } from '../support/mount-world.ts';

const TORTURE = fileURLToPath(new URL('../../../../test/support/torture-tree.sh', import.meta.url));

interface Exported {
  readonly source: string;
  readonly flist: string;
  readonly store: string;
}

async function tortureImage(world: MountWorld): Promise<Exported> {
  const source = world.path('source');
  const made = await run('bash', TORTURE, source, '500', '64');
  assert.equal(made.code, 0, made.stderr);
  const flist = world.path('image.flist');
  const store = `dir://${world.path('chunks')}`;
  await world.json('flist', 'create', source, flist, '--store', store);
  return { source, flist, store };
}

/** What archives cannot hold is gone from the source too. */
function withoutSockets({ source }: Exported): void {
  rmSync(join(source, 'special/socket'));
}

/** The time of that folder has changed with it. */
const FOLDER_OF_SOCKET = /^\.d\.\.t\.{6} special\/$/;

test('flist export makes the folder that the flist was made of', async (context) => {
  const world = new MountWorld(context);
  const { source, flist, store } = await tortureImage(world);
  const target = world.path('target');

  const result = await world.json<Record<string, unknown>>(
    ...['flist', 'export', flist, target, '--store', store],
  );

  assert.deepEqual(await differences(source, target), []);
  assert.deepEqual(await differences(target, source, '--delete'), []);
  assert.deepEqual(result['skipped'], { owners: 0, xattrs: 0, devices: 0 });
  const blocks = (await run('stat', '-c', '%b', join(target, 'sizes/sparse'))).stdout;
  assert.ok(Number(blocks) * 512 < 8 * 1024 ** 2, 'holes take no room');
});

for (const { program, args, allowed } of [
  {
    program: 'tar',
    args: ['-xp', '--xattrs', '--xattrs-include=*', '--warning=no-timestamp'],
    allowed: [],
  },
  {
    program: 'tar',
    args: ['-xp', '--xattrs', '--xattrs-include=*', '--acls', '--warning=no-timestamp'],
    allowed: [],
  },
  {
    program: 'bsdtar',
    args: ['-xp', '--xattrs', '--acls'],
    // It adds the fraction of a negative time where it has to be taken off, and leaves the folder alone
    // into which it unpacks.
    allowed: [/^\.[fL]\.\.t\.{6} times\/(before-1970|link)/, /^\.d\.\.t\.{6} \.\/$/],
  },
]) {
  for (const sparse of [false, true]) {
    const title = `${program} ${args.includes('--acls') ? 'with' : 'without'} ACLs`;
    test(`${title} unpacks the tree from ${sparse ? 'a sparse' : 'an'} archive`, async (context) => {
      const world = new MountWorld(context);
      const image = await tortureImage(world);
      withoutSockets(image);
      const archive = world.path('image.tar');
      const options = sparse ? ['--sparse'] : [];
      const result = await world.json<{ skipped: object }>(
        ...['flist', 'export', image.flist, archive, '--store', image.store, ...options],
      );
      const target = world.folder('target');
      const unpacked = await run(program, ...args, '-f', archive, '-C', target);

      assert.equal(unpacked.code, 0, unpacked.stderr);
      assert.deepEqual(result.skipped, { sockets: 1 });
      const lines = await differences(image.source, target);
      const patterns = [...allowed, FOLDER_OF_SOCKET];
      const rest = lines.filter((line) => !patterns.some((pattern) => pattern.test(line)));
      assert.deepEqual(rest, []);
    });
  }
}

test('flist export writes the same archive to a file, compressed and into a pipe', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), 'x'.repeat(9_000_000));
  const store = `dir://${world.path('chunks')}`;
  const flist = world.path('image.flist');
  await world.json('flist', 'create', source, flist, '--store', store);
  const base = ['flist', 'export', flist];

  const { stdoutBytes } = await world.cli(...base, '-', '--store', store);
  for (const [name, program] of [
    ['image.tar', ['cat']],
    ['image.tar.gz', ['gzip', '-dc']],
    ['image.tar.zst', ['bsdcat']],
  ] as const) {
    const path = world.path(name);
    const { size } = await world.json<{ size: number }>(...base, path, '--store', store);
    assert.equal(readFileSync(path).length, size);
    const [command, ...args] = program;
    const plain = await run('sh', '-c', `${[command, ...args].join(' ')} '${path}' | sha256sum`);
    const piped = world.path('piped');
    writeFileSync(piped, stdoutBytes);
    const expected = await run('sh', '-c', `cat '${piped}' | sha256sum`);
    assert.equal(plain.stdout, expected.stdout, name);
  }
});

test('flist export takes a part of an image', async (context) => {
  const world = new MountWorld(context);
  const { source, flist, store } = await tortureImage(world);
  const base = ['flist', 'export', flist];

  await world.json(...base, world.path('links'), '--store', store, '--path', '/links');
  await world.json(...base, world.path('one'), '--store', store, '--path', '/plain/file');

  assert.equal(readFileSync(world.path('links/other/third'), 'utf8'), 'linked\n');
  assert.equal(readFileSync(world.path('one'), 'utf8'), 'content\n');
  assert.ok(existsSync(join(source, 'links/other/third')));
});

test('flist export leaves nothing behind when a chunk is missing', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), 'content that is stored nowhere');
  const flist = world.path('image.flist');
  await world.json('flist', 'create', source, flist, '--store', `dir://${world.path('chunks')}`);
  const empty = `dir://${world.folder('empty')}`;
  const place = world.folder('place');

  for (const name of ['folder', 'image.tar', 'image.tar.gz', 'image.tar.zst']) {
    const result = await world.cli(
      ...['flist', 'export', flist, join(place, name), '--store', empty],
    );
    assert.equal(result.code, 69, result.stderr);
    assert.match(result.stderr, /^g8ufs: Chunk \S+ is not in .* \(ERR_CHUNK_MISSING\)\n$/);
    assert.deepEqual(readdirSync(place), [], name);
  }
});

test('flist export takes no folder that has something in it', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), '');
  const flist = world.path('image.flist');
  const store = `dir://${world.path('chunks')}`;
  await world.json('flist', 'create', source, flist, '--store', store);

  const result = await world.cli('flist', 'export', flist, source, '--store', store);

  assert.equal(result.code, 73);
  assert.match(result.stderr, /is not empty/);
  assert.deepEqual(readdirSync(source), ['file']);
});
