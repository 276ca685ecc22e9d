/** mount, umount, ps and the cache commands as a user meets them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { KEPT } from '../../src/fs/confine.ts';
import { flipBit } from '../support/chunk-files.ts';
import { MountWorld, mountsBelow, processGone, run } from '../support/mount-world.ts';

async function smallWorld(context: TestContext): Promise<{ world: MountWorld; flist: string }> {
  const world = new MountWorld(context);
  const source = world.folder('source', 'etc');
  writeFileSync(join(source, 'motd'), 'welcome\n');
  await world.startHub();
  return { world, flist: await world.create(world.path('source')) };
}

test('mount says where, and how long it took', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = world.folder('mnt');
  const result = await world.cli('mount', flist, mnt, '--cache', world.cache);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /^Mounted .*image\.flist at .*mnt in \d+ ms\n$/);
  assert.equal(result.stderr, '');
  assert.equal((await run('cat', join(mnt, 'etc/motd'))).stdout, 'welcome\n');
  await world.unmount(mnt);
});

test('mount takes the URL of a hub, whose chunks it then uses', async (context) => {
  const { world, flist } = await smallWorld(context);
  await world.json('push', flist, `${world.hubUrl}/demo/motd`);
  const mnt = await world.mount(`${world.hubUrl}/demo/motd.flist`);
  assert.equal((await run('cat', join(mnt, 'etc/motd'))).stdout, 'welcome\n');
  await world.unmount(mnt);
});

test('mount of a URL works without the hub once the image is known', async (context) => {
  const { world, flist } = await smallWorld(context);
  await world.json('push', flist, `${world.hubUrl}/demo/motd`);
  const url = `${world.hubUrl}/demo/motd.flist`;
  const first = await world.mount(url);
  assert.equal((await run('cat', join(first, 'etc/motd'))).stdout, 'welcome\n');
  await world.unmount(first);
  await world.stopHub();
  const second = await world.mount(url);
  assert.equal((await run('cat', join(second, 'etc/motd'))).stdout, 'welcome\n');
  await world.unmount(second);
});

test('mount refuses what cannot be mounted, in one line with the right exit code', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = world.folder('mnt');
  const text = world.path('no.flist');
  writeFileSync(text, 'this is no flist, not even a short one\n'.repeat(100));
  const cases: [string[], number, string][] = [
    [[world.path('absent.flist'), mnt], 66, 'ERR_NO_INPUT'],
    [[text, mnt], 65, 'ERR_FLIST_FORMAT'],
    [[flist, world.path('absent')], 66, 'ERR_NO_INPUT'],
    [[flist, flist], 71, 'ERR_MOUNT'],
    [[flist, mnt, '--rw'], 64, 'ERR_USAGE'],
    [[flist, mnt, '--deadline', 'soon'], 64, 'ERR_USAGE'],
    [['http://127.0.0.1:9/x/y.flist', mnt], 69, 'ERR_STORE_UNAVAILABLE'],
  ];
  for (const [args, exitCode, code] of cases) {
    const result = await world.cli('mount', ...args, '--cache', world.cache);
    assert.equal(result.code, exitCode, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, new RegExp(`^g8ufs: [^\\n]+ \\(${code}\\)\\n$`));
    assert.deepEqual(readdirSync(mnt), []);
  }
});

test('mount refuses a mount point that is in use', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = await world.mount(flist);
  const again = await world.cli('mount', flist, mnt, '--cache', world.cache);
  assert.equal(again.code, 71);
  assert.match(again.stderr, /already mounted/);
  await world.unmount(mnt);
});

test('ps lists what is mounted and the daemon ends with its last mount', async (context) => {
  const { world, flist } = await smallWorld(context);
  const [first, second] = [await world.mount(flist), await world.mount(flist)];
  const mounts = await world.json<{ mountPoint: string; driver: string }[]>('ps');
  assert.deepEqual(mounts.map((mount) => mount.mountPoint).sort(), [first, second].sort());
  const pid = world.daemonPid();
  await world.unmount(first);
  assert.ok(existsSync(`/proc/${pid}`));
  await world.unmount(second);
  await processGone(pid);
  assert.deepEqual(await world.json('ps'), []);
});

test('umount refuses a busy mount and takes it away lazily', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = await world.mount(flist);
  const { startProgram } = await import('../support/mount-world.ts');
  const holder = startProgram('sh', '-c', `exec 3<${mnt}/etc/motd; echo; exec sleep 60`);
  await once(holder, 'spawn');
  context.after(() => holder.kill('SIGKILL'));
  // The shell opens the file before it becomes sleep.
  while (!readFileSync(`/proc/${holder.pid}/cmdline`, 'utf8').startsWith('sleep')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }

  const busy = await world.cli('umount', mnt);
  assert.equal(busy.code, 71, busy.stderr);
  assert.match(busy.stderr, /busy/i);
  await world.unmount(mnt, '--lazy');
  assert.deepEqual(readdirSync(mnt), []);
});

test('umount of something else is an error that says so', async (context) => {
  const { world } = await smallWorld(context);
  const result = await world.cli('umount', world.folder('plain'));
  assert.equal(result.code, 66);
  assert.match(result.stderr, /is not mounted by g8ufs/);
});

test('umount(8) from outside ends the session and its daemon', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = await world.mount(flist);
  const pid = world.daemonPid();
  assert.equal((await run('umount', mnt)).code, 0);
  await processGone(pid);
});

test('mount --foreground stays until it is interrupted, then unmounts', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = world.folder('mnt');
  const child = world.start('mount', flist, mnt, '--cache', world.cache, '--foreground');
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  assert.match(line.toString(), /^Mounted /);
  assert.equal((await run('cat', join(mnt, 'etc/motd'))).stdout, 'welcome\n');
  assertConfined(child.pid);
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 130);
  assert.deepEqual(readdirSync(mnt), []);
});

/** It has given away what no mount needs, the settings of the network among it, and gets nothing back. */
function assertConfined(pid: number | undefined): void {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const effective = BigInt(`0x${/^CapEff:\t(\w+)$/m.exec(status)?.[1]}`);
  const kept = Object.values(KEPT).reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
  assert.equal(effective & ~kept, 0n);
  assert.match(status, /^NoNewPrivs:\t1$/m);
}

test('daemon for a service manager is confined, and ends when it is told to', async (context) => {
  const world = new MountWorld(context);
  const child = world.start('daemon', '--cache', world.cache);
  await world.fileThere(join(world.cache, 'run/control.sock'));
  assertConfined(child.pid);
  assert.equal(world.daemonPid(), child.pid);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [143, null]);
});

test('a second daemon on the same cache is refused', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = await world.mount(flist);
  const result = await world.cli('daemon', '--cache', world.cache);
  assert.equal(result.code, 75);
  assert.match(result.stderr, /ERR_CACHE_LOCKED/);
  await world.unmount(mnt);
});

test('mounts asked for at the same time share one daemon', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mounts = await Promise.all([1, 2, 3, 4].map(() => world.mount(flist)));
  const pids = (await world.json<{ pid: number }[]>('ps')).map((mount) => mount.pid);
  assert.equal(pids.length, 4);
  assert.equal(new Set(pids).size, 1);
  for (const mnt of mounts) await world.unmount(mnt);
});

test('mount --rw keeps changes in the upper folder and the image as it is', async (context) => {
  const { world, flist } = await smallWorld(context);
  const upper = world.path('changes');
  const mnt = await world.mount(flist, '--rw', '--upper', upper);
  const script = 'echo changed > etc/motd && echo new > etc/new && mkdir var && rm -f etc/absent';
  const changed = await run('sh', '-c', `cd ${mnt} && ${script}`);
  assert.equal(changed.code, 0, changed.stderr);
  await world.unmount(mnt);

  assert.equal(readFileSync(join(upper, 'etc/motd'), 'utf8'), 'changed\n');
  assert.ok(!existsSync(`${upper}.work`));
  const plain = await world.mount(flist);
  assert.equal((await run('cat', join(plain, 'etc/motd'))).stdout, 'welcome\n');
  await world.unmount(plain);
  const again = await world.mount(flist, '--rw', '--upper', upper);
  assert.equal((await run('cat', join(again, 'etc/new'))).stdout, 'new\n');
  await world.unmount(again);
});

test('mount --rw over a daemon that died can be mounted again', async (context) => {
  const { world, flist } = await smallWorld(context);
  const upper = world.path('changes');
  const mnt = await world.mount(flist, '--rw', '--upper', upper);
  assert.equal((await run('sh', '-c', `echo kept > ${mnt}/etc/kept`)).code, 0);
  await world.killKeeperAndDaemon();

  await world.json('mount', flist, mnt, '--cache', world.cache, '--rw', '--upper', upper);
  assert.equal(
    (await run('cat', join(mnt, 'etc/kept'), join(mnt, 'etc/motd'))).stdout,
    'kept\nwelcome\n',
  );
  await world.unmount(mnt);
});

test('umount takes a writable mount away whose daemon died, and no overlay of others', async (context) => {
  const { world, flist } = await smallWorld(context);
  const upper = world.path('changes');
  const mnt = await world.mount(flist, '--rw', '--upper', upper);
  const plain = await world.mount(flist);
  const merged = world.folder('merged');
  const layers = `lowerdir=${plain},upperdir=${world.folder('upper')},workdir=${world.folder('work')}`;
  assert.equal((await run('mount', '-t', 'overlay', '-o', layers, 'overlay', merged)).code, 0);
  assert.equal((await run('sh', '-c', `echo kept > ${mnt}/etc/kept`)).code, 0);
  await world.killKeeperAndDaemon();
  const refused = await world.cli('umount', merged);
  assert.deepEqual([refused.code, refused.stderr.includes('is not mounted by g8ufs')], [66, true]);
  assert.equal((await run('umount', merged)).code, 0);
  await world.unmount(plain);
  await world.unmount(mnt);
  assert.deepEqual(mountsBelow(world.dir), []);
  assert.equal(readFileSync(join(upper, 'etc/kept'), 'utf8'), 'kept\n');
});

test('writing to a mount is refused as on any read-only file system', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = await world.mount(flist);
  for (const script of ['echo x > etc/motd', 'rm etc/motd', 'mkdir x', 'chmod 700 etc']) {
    const result = await run('sh', '-c', `cd ${mnt} && ${script}`);
    assert.notEqual(result.code, 0, script);
    assert.match(result.stderr, /Read-only file system/, script);
  }
  await world.unmount(mnt);
});

test('cache commands work with and without a daemon', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = await world.mount(flist);
  assert.equal((await run('cat', join(mnt, 'etc/motd'))).code, 0);
  assert.equal((await world.cacheStatus())['files'], 1);
  const pid = world.daemonPid();
  await world.unmount(mnt);
  await processGone(pid);
  assert.equal((await world.cacheStatus())['files'], 1);
  const verified = await world.cli('cache', 'verify', '--cache', world.cache);
  assert.equal(verified.stdout, 'Checked 1 file, 8 B; 0 corrupt and removed\n', verified.stderr);
  const collected = await world.cli('cache', 'gc', '--cache', world.cache);
  assert.equal(collected.stdout, 'Freed 0 B\n', collected.stderr);
});

test('cache verify drops what was altered and says so with its status', async (context) => {
  const { world, flist } = await smallWorld(context);
  const mnt = await world.mount(flist);
  assert.equal((await run('cat', join(mnt, 'etc/motd'))).code, 0);
  await world.unmount(mnt);
  const files = join(world.cache, 'files');
  const cached = readdirSync(files, { recursive: true, encoding: 'utf8' }).find(
    (name) => name.length > 64,
  );
  const path = join(files, cached as string);
  const { mtime } = statSync(path);
  chmodSync(path, 0o644);
  flipBit(path);
  // With the seal restored, as silent damage to the disk would leave it.
  utimesSync(path, mtime, mtime);

  const verified = await world.cli('cache', 'verify', '--cache', world.cache);
  assert.equal(verified.code, 1, verified.stderr);
  assert.match(verified.stdout, /; 1 corrupt and removed/);
  assert.equal((await world.cacheStatus())['files'], 0);
});
