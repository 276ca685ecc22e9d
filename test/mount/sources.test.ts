/** Whatever an image is made of, a mount shows the tree that it came from. */
import assert from 'node:assert/strict';
import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { differences, MountWorld, run } from '../support/mount-world.ts';

const PROGRAM = fileURLToPath(new URL('../support/g8ufs.js', import.meta.url));
const TORTURE = fileURLToPath(new URL('../../../../test/support/torture-tree.sh', import.meta.url));

/** A world with a hub and a tree of everything that a tar can hold: no socket, no further name of a FIFO. */
async function prepare(context: TestContext): Promise<{ world: MountWorld; source: string }> {
  const world = new MountWorld(context);
  const source = world.path('source');
  const made = await run('bash', TORTURE, source, '100', '64');
  assert.equal(made.code, 0, made.stderr);
  rmSync(join(source, 'special/socket'));
  rmSync(join(source, 'links/linked-fifo'));
  // A gigabyte of zeros would be written and read again and again.
  truncateSync(join(source, 'sizes/sparse'), 16 * 1024 * 1024);
  await world.startHub();
  return { world, source };
}

async function succeed(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run(program, ...args);
  assert.equal(code, 0, stderr);
}

const ALL = ['--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner'];

for (const [title, program, flags, isMiswritten = /^$/] of [
  ['GNU tar, PAX', 'tar', [...ALL, '--format=pax']],
  ['GNU tar, PAX, sparse 0.1', 'tar', [...ALL, '--format=pax', '-S', '--sparse-version=0.1']],
  ['GNU tar, PAX, sparse 1.0, gzip', 'tar', [...ALL, '--format=pax', '-S', '-z']],
  [
    'bsdtar, PAX',
    'bsdtar',
    ['--xattrs', '--acls', '--numeric-owner', '--format=pax'],
    // It writes the parts of a negative time one behind the other, as if the fraction counted down.
    /times\/(before-1970|link -> nowhere)$/,
  ],
] as const) {
  test(`a tar by ${title} is mounted as the tree it was made of`, async (t) => {
    const { world, source } = await prepare(t);
    const archive = world.path('archive.tar');
    await run(program, ...flags, '-C', source, '-cf', archive, '.');
    const flist = await world.create(archive);
    const mnt = await world.mount(flist);
    const lines = await differences(source, mnt);
    assert.deepEqual(
      lines.filter((line) => !isMiswritten.test(line)),
      [],
    );
    await world.unmount(mnt);
  });
}

test('a tar from standard input gives the same image as one in a file', async (t) => {
  const { world, source } = await prepare(t);
  const archive = world.path('archive.tar');
  await run('tar', ...ALL, '--format=pax', '-S', '-C', source, '-cf', archive, '.');
  const digests = new Set<string>();
  for (const from of [`< ${archive}`, `< <(gzip -c ${archive})`, `< <(cat ${archive})`]) {
    const flist = world.path('image.flist');
    const args = ['flist', 'create', '-', flist, '--store', world.hubUrl, '--json'];
    const made = await run(
      'bash',
      '-c',
      `"$@" ${from}`,
      'bash',
      process.execPath,
      PROGRAM,
      ...args,
    );
    assert.equal(made.code, 0, made.stderr);
    digests.add((JSON.parse(made.stdout) as { rootDigest: string }).rootDigest);
  }
  assert.equal(digests.size, 1);
});

test('a tar in the old GNU format is mounted but for what it cannot hold', async (t) => {
  const { world, source } = await prepare(t);
  const archive = world.path('archive.tar');
  await succeed('tar', '--format=gnu', '-S', '-C', source, '-cf', archive, '.');
  const mnt = await world.mount(await world.create(archive));
  const lines = await differences(source, mnt, '--no-A', '--no-X', '--modify-window=1');
  // Times in seconds; the group's permissions of files with an ACL are its mask.
  assert.deepEqual(lines, []);
  await world.unmount(mnt);
});
