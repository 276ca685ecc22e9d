/**
 * Mounts in the kernel tier (EROFS, overlayfs, the object mount): the same tree as by FUSE, no request for
 * what is in the cache, and what is left when the daemon dies. Needs root and Linux 6.12.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import type { MountRecord } from '../../src/fs/mount-record.ts';
import { until } from '../support/child-server.ts';
import { differences, MountWorld, mountsBelow, processGone, run } from '../support/mount-world.ts';

const TORTURE = fileURLToPath(new URL('../../../../test/support/torture-tree.sh', import.meta.url));
const KERNEL = ['--tier', 'kernel'];
const SIZE = 3 * 1024 * 1024;

/** Files of random bytes, which no codec makes smaller, by name. */
function randomFiles(world: MountWorld, names: readonly string[]): Map<string, Buffer> {
  const source = world.folder('source');
  const files = new Map(names.map((name) => [name, randomBytes(SIZE)]));
  for (const [name, bytes] of files) writeFileSync(join(source, name), bytes);
  return files;
}

/** The record of a mount. */
async function recordOf(world: MountWorld, mnt: string): Promise<MountRecord> {
  const records = await world.json<MountRecord[]>('ps');
  const record = records.find(({ mountPoint }) => mountPoint === mnt);
  assert.ok(record, `${mnt} is not listed`);
  return record;
}

/** Requests that the object mount has had so far. */
async function requests(world: MountWorld, mnt: string): Promise<number> {
  return (await recordOf(world, mnt)).stats['requests'] ?? Number.NaN;
}

async function contentFiles(world: MountWorld): Promise<string[]> {
  const found = await run('find', join(world.cache, 'files'), '-type', 'f');
  return found.stdout.split('\n').filter((line) => line !== '');
}

test('kernel tier shows the torture tree as rsync sees it', async (context) => {
  const world = new MountWorld(context);
  const source = world.path('source');
  const made = await run('bash', TORTURE, source, '20000', '64');
  assert.equal(made.code, 0, made.stderr);
  // FUSE mounts hide these, for an overlay on top would obey them; here they are shown as they are.
  for (const name of [
    'trusted.overlay.redirect',
    'trusted.overlay.overlay.opaque',
    'user.overlay.note',
  ]) {
    assert.equal(
      (await run('setfattr', '-n', name, '-v', '/y', join(source, 'plain/file'))).code,
      0,
    );
  }
  await world.startHub();
  const mnt = await world.mount(await world.create(source), ...KERNEL);
  assert.equal((await recordOf(world, mnt)).tier, 'kernel');

  assert.deepEqual(await differences(source, mnt), []);
  // All of it is in the cache now, and read from there.
  await world.unmount(mnt);
  const again = await world.mount(world.path('image.flist'), ...KERNEL);
  assert.deepEqual(await differences(source, again), []);
  const count = async (tree: string) => (await run('find', tree, '-printf', '.')).stdout.length;
  assert.equal(await count(again), await count(source));
  await world.unmount(again);
});

test('kernel tier makes way for FUSE when an image has a device 0:0', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), 'text');
  assert.equal((await run('mknod', join(source, 'white'), 'c', '0', '0')).code, 0);
  await world.startHub();
  const flist = await world.create(source);
  const mnt = world.folder('mnt');
  const refused = await world.cli('mount', flist, mnt, '--cache', world.cache, ...KERNEL);
  const line =
    'g8ufs: The kernel tier cannot be used: The image has a device 0:0 ("/white"), which overlayfs takes for a deleted name (ERR_MOUNT)\n';
  assert.deepEqual([refused.code, refused.stderr], [71, line]);

  const shown = await world.mount(flist, '--tier', 'auto');
  const { tier, fallback } = await recordOf(world, shown);
  assert.equal(tier, 'fuse');
  assert.match(fallback ?? '', /device 0:0/);
  assert.deepEqual(await differences(source, shown), []);
  await world.unmount(shown);
});

test('kernel tier says what is missing when the cache lies on an overlay', async (context) => {
  const world = new MountWorld(context);
  writeFileSync(join(world.folder('source'), 'file'), 'text');
  const [lower, upper, work] = ['l', 'u', 'w'].map((name) => world.folder(name));
  const stacked = world.folder('stacked');
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  assert.equal((await run('mount', '-t', 'overlay', '-o', layers, 'overlay', stacked)).code, 0);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const cache = join(stacked, 'cache');
  const mnt = world.folder('mnt');
  const refused = await world.cli('mount', flist, mnt, '--cache', cache, ...KERNEL);
  assert.equal(refused.code, 71);
  assert.match(refused.stderr, /^g8ufs: The kernel tier cannot be used: [^\n]+ \(ERR_MOUNT\)\n$/);
  const mounted = await world.cli('mount', flist, mnt, '--cache', cache, '--tier', 'auto');
  assert.match(mounted.stderr, /^Mounted by FUSE, not in the kernel tier: [^\n]+\n$/);
  assert.equal(readFileSync(join(mnt, 'file'), 'latin1'), 'text');
  await world.unmount(mnt);
});

test('kernel tier reads what is in the cache without a request', async (context) => {
  const world = new MountWorld(context);
  const files = randomFiles(world, ['a', 'b', 'c']);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const filling = await world.mount(flist, ...KERNEL);
  for (const name of files.keys()) readFileSync(join(filling, name));
  assert.ok((await requests(world, filling)) > 0);
  const { slowest } = await world.json<{ slowest: { path: string }[] }>('stats', filling);
  assert.deepEqual([...new Set(slowest.map(({ path }) => path))].sort(), ['/a', '/b', '/c']);

  const mnt = await world.mount(flist, ...KERNEL);
  const before = await requests(world, mnt);
  for (const [name, bytes] of files) assert.ok(readFileSync(join(mnt, name)).equals(bytes), name);
  assert.equal((await run('find', mnt, '-ls')).code, 0);
  assert.equal((await run('getfattr', '-R', '-d', '-m', '-', mnt)).code, 0);
  assert.equal(await requests(world, mnt), before);
  for (const point of [filling, mnt]) await world.unmount(point);
});

test('kernel tier finds what became complete under a running overlay', async (context) => {
  const world = new MountWorld(context);
  const files = randomFiles(world, ['a', 'b']);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const mnt = await world.mount(flist, ...KERNEL);
  // Its names are known to the kernel, its contents to nobody.
  assert.equal((await run('find', mnt, '-ls')).code, 0);
  const other = await world.mount(flist, '--tier', 'fuse');
  for (const name of files.keys()) readFileSync(join(other, name));
  await world.unmount(other);

  const before = await requests(world, mnt);
  for (const [name, bytes] of files) assert.ok(readFileSync(join(mnt, name)).equals(bytes), name);
  assert.equal(await requests(world, mnt), before);
  await world.unmount(mnt);
});

test('kernel tier reads on when the cache evicts what is open', async (context) => {
  const world = new MountWorld(context);
  const files = randomFiles(world, ['a', 'b', 'c', 'd']);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  // Room for two of the four.
  const size = ['--cache-size', String(2 * SIZE + 512 * 1024)];
  const filling = await world.mount(flist, ...KERNEL, ...size);
  readFileSync(join(filling, 'a'));
  const mnt = await world.mount(flist, ...KERNEL);
  const fd = openSync(join(mnt, 'a'), 'r');
  const start = Buffer.alloc(4096);
  readSync(fd, start, 0, start.length, 0);
  const [local] = await contentFiles(world);
  for (let round = 0; round < 2; round++) {
    for (const name of ['b', 'c', 'd']) {
      assert.ok(readFileSync(join(mnt, name)).equals(files.get(name) as Buffer), name);
    }
  }
  await world.cli('cache', 'gc', '--cache', world.cache);
  assert.equal(existsSync(local as string), false, 'nothing was evicted');

  const rest = Buffer.alloc(SIZE);
  assert.equal(readSync(fd, rest, 0, SIZE, 0), SIZE);
  assert.ok(rest.equals(files.get('a') as Buffer));
  closeSync(fd);
  // Looked for anew, it is fetched again.
  const again = await world.mount(flist, ...KERNEL);
  assert.ok(readFileSync(join(again, 'a')).equals(files.get('a') as Buffer));
  for (const point of [filling, mnt, again]) await world.unmount(point);
});

test('kernel tier leaves names and complete contents when the daemon dies', async (context) => {
  const world = new MountWorld(context);
  const files = randomFiles(world, ['local', 'missing', 'never']);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const filling = await world.mount(flist);
  readFileSync(join(filling, 'local'));
  const mnt = await world.mount(flist, ...KERNEL);
  const elsewhere = await world.mount(flist, ...KERNEL);
  await world.killKeeperAndDaemon();

  const listed = await run('find', mnt, '-type', 'f', '-printf', '%s %P\n');
  assert.equal(
    listed.stdout.split('\n').sort().join(),
    `,${SIZE} local,${SIZE} missing,${SIZE} never`,
  );
  assert.ok(readFileSync(join(mnt, 'local')).equals(files.get('local') as Buffer));
  assert.throws(() => readFileSync(join(mnt, 'missing')), { code: /^(ENOTCONN|ECONNABORTED)$/ });

  // The next daemon takes the place, and leaves the other mount to whoever uses it.
  await world.json('mount', flist, mnt, '--cache', world.cache, ...KERNEL);
  assert.equal((await recordOf(world, mnt)).tier, 'kernel');
  assert.ok(readFileSync(join(mnt, 'missing')).equals(files.get('missing') as Buffer));
  assert.ok(readFileSync(join(elsewhere, 'local')).equals(files.get('local') as Buffer));
  // What the next daemon has fetched may be local by now: another content tells that this mount has no daemon.
  assert.throws(() => readFileSync(join(elsewhere, 'never')), {
    code: /^(ENOTCONN|ECONNABORTED)$/,
  });
  await world.unmount(elsewhere);
  const pid = world.daemonPid();
  await world.unmount(mnt);
  await processGone(pid);
  // What a dead daemon's FUSE mount left is as it always was.
  await world.unmount(filling);
  assert.deepEqual(mountsBelow(world.dir), []);
});

test('kernel tier goes on when the daemon is killed', async (context) => {
  const world = new MountWorld(context);
  const files = randomFiles(world, ['held', 'missing', 'later']);
  await world.startHub();
  const mnt = await world.mount(await world.create(world.path('source')), ...KERNEL);
  // Looked up in the object mount and not whole: its node and its size are the kernel's by now.
  const fd = openSync(join(mnt, 'held'), 'r');
  await world.killDaemon();
  const bytes = Buffer.alloc(SIZE);
  assert.equal(readSync(fd, bytes, 0, SIZE, 0), SIZE);
  assert.ok(bytes.equals(files.get('held') as Buffer));
  closeSync(fd);
  assert.ok(readFileSync(join(mnt, 'missing')).equals(files.get('missing') as Buffer));
  await world.killDaemon();
  assert.ok(readFileSync(join(mnt, 'later')).equals(files.get('later') as Buffer));
  const { tier, quarantine } = await recordOf(world, mnt);
  assert.deepEqual([tier, quarantine], ['kernel', null]);
  const pid = await world.daemonUp();
  await world.unmount(mnt);
  await processGone(pid);
  assert.deepEqual(mountsBelow(world.dir), []);
});

test('kernel tier is unmounted without its daemon', async (context) => {
  const world = new MountWorld(context);
  randomFiles(world, ['file']);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const mnt = await world.mount(flist, ...KERNEL);
  await world.killKeeperAndDaemon();
  await world.unmount(mnt);
  assert.deepEqual(mountsBelow(mnt), []);
  // A daemon that starts clears the rest away.
  const next = await world.mount(flist, ...KERNEL);
  assert.deepEqual(mountsBelow(world.dir), [join(world.cache, 'run/objects'), next]);
  await world.unmount(next);
});

test('kernel tier serves a lazily unmounted mount until its last file is closed', async (context) => {
  const world = new MountWorld(context);
  const files = randomFiles(world, ['file']);
  await world.startHub();
  const mnt = await world.mount(await world.create(world.path('source')), ...KERNEL);
  const pid = world.daemonPid();
  const fd = openSync(join(mnt, 'file'), 'r');
  const busy = await world.cli('umount', mnt);
  assert.equal(busy.code, 71);
  assert.match(busy.stderr, /cannot be unmounted: Device or resource busy/);
  await world.unmount(mnt, '--lazy');
  const bytes = Buffer.alloc(SIZE);
  assert.equal(readSync(fd, bytes, 0, SIZE, 0), SIZE);
  assert.ok(bytes.equals(files.get('file') as Buffer));
  closeSync(fd);
  await processGone(pid);
  assert.deepEqual(mountsBelow(world.dir), []);
});

test('kernel tier ends when somebody else unmounts it', async (context) => {
  const world = new MountWorld(context);
  randomFiles(world, ['file']);
  await world.startHub();
  const mnt = await world.mount(await world.create(world.path('source')), ...KERNEL);
  const pid = world.daemonPid();
  assert.equal((await run('umount', mnt)).code, 0);
  await processGone(pid);
  assert.deepEqual(mountsBelow(world.dir), []);
});

test('changes made in one tier are there in the other', async (context) => {
  const world = new MountWorld(context);
  const files = randomFiles(world, ['kept', 'changed', 'moved', 'gone']);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const upper = world.path('upper');
  const write = async (tier: string, change: (mnt: string) => Promise<unknown>) => {
    const mnt = await world.mount(flist, '--tier', tier, '--rw', '--upper', upper);
    assert.equal((await recordOf(world, mnt)).tier, tier);
    await change(mnt);
    const seen = await run('sh', '-c', `cd ${mnt} && stat -c '%a %s %n' *`);
    await world.unmount(mnt);
    return seen.stdout;
  };
  const change = async (mnt: string): Promise<void> => {
    const script = 'cd "$1" && chmod 600 changed && mv moved there && rm gone && echo new > made';
    assert.equal((await run('sh', '-c', script, 'sh', mnt)).code, 0);
  };
  const made = await write('kernel', change);
  assert.match(made, /600 3145728 changed\n644 3145728 kept\n644 4 made\n644 3145728 there\n/);
  for (const tier of ['fuse', 'kernel']) {
    const seen = await write(tier, async (mnt) => {
      for (const [name, from] of [
        ['changed', 'changed'],
        ['there', 'moved'],
      ] as const) {
        assert.ok(readFileSync(join(mnt, name)).equals(files.get(from) as Buffer), name);
      }
    });
    assert.equal(seen, made, tier);
  }
  // A change of a mode has copied no contents, and the work folder is gone.
  const used = await run('du', '-k', join(upper, 'changed'));
  assert.ok(Number(used.stdout.split('\t')[0]) <= 4, used.stdout);
  // On a slow machine umount does not wait for that.
  await until('the work folder goes', async () => !existsSync(`${upper}.work`));
});

test('kernel tier keeps a work folder that the user names', async (context) => {
  const world = new MountWorld(context);
  randomFiles(world, ['file']);
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const upper = ['--rw', '--upper', world.path('up, one:two'), '--work', world.folder('work')];
  const mnt = await world.mount(flist, ...KERNEL, ...upper);
  writeFileSync(join(mnt, 'new'), 'new');
  await world.unmount(mnt);
  assert.equal(readFileSync(join(world.path('up, one:two'), 'new'), 'latin1'), 'new');
  assert.ok(existsSync(world.path('work')));
});
