/** The mount daemon dies or is replaced, and whoever uses its mounts notices a pause. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { MountStats } from '../../src/fs/explain.ts';
import type { MountRecord } from '../../src/fs/mount-record.ts';
import { readMountinfo } from '../../src/fs/mountinfo.ts';
import { until } from '../support/child-server.ts';
import { differences, MountWorld, processGone, run, startProgram } from '../support/mount-world.ts';

async function smallWorld(context: TestContext) {
  const world = new MountWorld(context);
  const source = world.folder('source', 'many');
  for (let i = 0; i < 20; i++) writeFileSync(join(source, `file-${i}`), randomBytes(1 + i * 1500));
  writeFileSync(join(source, 'large'), randomBytes(3_000_000));
  await world.startHub();
  return { world, source: world.path('source'), flist: await world.create(world.path('source')) };
}

/** A shell whose descriptor 3 is open; each line it gets says what is done next, and is answered by one. */
function holder(context: TestContext, script: string) {
  const child = startProgram('sh', '-c', script);
  context.after(() => child.kill('SIGKILL'));
  return child;
}

async function nothingIsLeft(world: MountWorld, pid: number): Promise<void> {
  await processGone(pid);
  for (const keeper of world.keeperPids()) await processGone(keeper);
  const left = readMountinfo().filter(({ mountPoint }) => mountPoint.startsWith(world.dir));
  assert.deepEqual(left, []);
  assert.deepEqual(readdirSync(world.path('run')), []);
  const sockets = readdirSync(join(world.cache, 'run')).filter((name) => name.endsWith('.sock'));
  assert.deepEqual(sockets, []);
}

async function metricsOf(world: MountWorld): Promise<string> {
  return (await world.cli('metrics', '--cache', world.cache)).stdout;
}

test('open files, waiting readers and an overlay live on when the daemon is killed', async (context) => {
  const { world, source, flist } = await smallWorld(context);
  const mnt = await world.mount(flist, '--prefetch', 'none');
  const upper = world.path('upper');
  const writable = await world.mount(flist, '--rw', '--upper', upper);
  assert.equal((await run('cat', join(mnt, 'many/file-1'), join(mnt, 'many/large'))).code, 0);
  // Complete: the kernel reads it itself, and whoever opens it again must get the same backing file.
  const held = holder(
    context,
    `exec 3<${mnt}/many/file-1; echo held >${world.dir}/held; while [ ! -e ${world.dir}/go ]; do sleep 0.05; done
     cmp - ${source}/many/file-1 <&3 && cmp ${mnt}/many/file-1 ${source}/many/file-1`,
  );
  const ended = once(held, 'exit');
  await world.fileThere(world.path('held'));
  // Absent, and asked for while the hub does not answer.
  world.pauseHub();
  const waiting = startProgram('cmp', join(mnt, 'many/file-7'), join(source, 'many/file-7'));
  const waited = once(waiting, 'exit');
  await until('The read', async () => {
    return (await world.json<MountStats>('stats', mnt)).waiting.length > 0;
  });
  await world.killDaemon();
  world.resumeHub();
  writeFileSync(world.path('go'), '');
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual(await waited, [0, null]);
  assert.equal(
    (await run('sh', '-c', `echo new >${writable}/made && rm ${writable}/many/file-3`)).code,
    0,
  );
  await world.killKeeper();
  await world.killDaemon();
  assert.deepEqual(await differences(source, mnt), []);
  assert.equal((await run('cat', join(writable, 'made'))).stdout, 'new\n');
  assert.deepEqual(readdirSync(join(upper, 'many')), ['file-3']);

  const records = await world.json<MountRecord[]>('ps');
  assert.deepEqual(
    records.map(({ kept, quarantine }) => [kept, quarantine]),
    [
      [true, null],
      [true, null],
    ],
  );
  const pid = await world.daemonUp();
  await world.unmount(writable);
  await world.unmount(mnt);
  await nothingIsLeft(world, pid);
});

test('a mount that cannot be restored is set aside, and the others live', async (context) => {
  const { world, source, flist } = await smallWorld(context);
  const good = await world.mount(flist);
  mkdirSync(world.path('other'));
  writeFileSync(world.path('other/file'), 'text');
  const bad = await world.mount(await world.create(world.path('other'), 'other'));
  const records = await world.json<MountRecord[]>('ps');
  const image = records.find(({ mountPoint }) => mountPoint === bad)?.image ?? '';
  const index = join(world.cache, 'flists', image);
  renameSync(index, world.path('away'));
  await world.killDaemon();

  assert.deepEqual(await differences(source, good), []);
  const after = await world.json<MountRecord[]>('ps');
  const quarantine = after.find(({ mountPoint }) => mountPoint === bad)?.quarantine;
  assert.equal(quarantine?.code, 'ERR_NO_INPUT');
  assert.match((await world.cli('ps')).stdout, /not restored: The index of the image .* is gone/);
  // An error, no waiting.
  assert.match((await run('ls', bad)).stderr, /not connected/);
  // It is told to whoever looks after many machines: `g8ufs_mounts` counts only what is served.
  assert.match(await metricsOf(world), /^g8ufs_mounts 1$.*^g8ufs_mounts_quarantined 1$/ms);
  // The next daemon knows of it, too.
  renameSync(world.path('away'), index);
  await world.killDaemon();
  assert.equal((await world.json<MountRecord[]>('ps')).length, 2);
  await world.unmount(bad);
  assert.deepEqual(readdirSync(bad), []);
  assert.match(await metricsOf(world), /^g8ufs_mounts_quarantined 0$/m);
  const pid = await world.daemonUp();
  await world.unmount(good);
  await nothingIsLeft(world, pid);
});

test('a mount whose restoring does not end is set aside, and nobody waits for it meanwhile', async (context) => {
  const { world, source, flist } = await smallWorld(context);
  const good = await world.mount(flist);
  const bad: string[] = [];
  // Read by a thread of its own, and by one of the pool: opening a pipe that nobody writes to never ends.
  for (const file of ['mount.contents', 'router.yaml']) {
    writeFileSync(join(world.folder(file), 'file'), file);
    const mnt = await world.mount(await world.create(world.path(file), file));
    bad.push(mnt);
    const record = (await world.json<MountRecord[]>('ps')).find((each) => each.mountPoint === mnt);
    const path = join(world.cache, 'flists', record?.image ?? '', file);
    rmSync(path, { force: true });
    assert.equal((await run('mkfifo', path)).code, 0);
  }
  await world.killDaemon();
  const isRestoring = async (): Promise<boolean[]> => {
    const records = await world.json<MountRecord[]>('ps');
    return [good, ...bad].map(
      (mnt) => records.find((r) => r.mountPoint === mnt)?.restoring ?? false,
    );
  };
  assert.deepEqual(await differences(source, good), []);
  assert.deepEqual(await isRestoring(), [false, true, true]);
  assert.match((await world.cli('ps')).stdout, /being restored/);
  assert.match(await metricsOf(world), /^g8ufs_mounts 1$/m);
  const another = await world.mount(flist);
  assert.deepEqual(await differences(source, another), []);
  await world.unmount(another);
  await until('The end of that', async () => !(await isRestoring()).includes(true));

  const after = await world.json<MountRecord[]>('ps');
  for (const mnt of bad) {
    const quarantine = after.find(({ mountPoint }) => mountPoint === mnt)?.quarantine;
    assert.equal(quarantine?.code, 'ERR_TIMEOUT');
    assert.match((await run('ls', mnt)).stderr, /not connected/);
    await world.unmount(mnt);
  }
  assert.deepEqual(await differences(source, good), []);
  // The pipes come to an end with their reader.
  await world.killDaemon();
  assert.deepEqual(await differences(source, good), []);
  const pid = await world.daemonUp();
  await world.unmount(good);
  await nothingIsLeft(world, pid);
});

test('daemon upgrade replaces the daemon under its readers', async (context) => {
  const { world, source, flist } = await smallWorld(context);
  const mnt = await world.mount(flist, '--cache-free', '1MiB');
  const before = await world.daemonUp();
  const reader = startProgram(
    'sh',
    '-c',
    `while [ ! -e ${world.dir}/over ]; do cat ${mnt}/many/* >/dev/null || exit 1; done`,
  );
  const ended = once(reader, 'exit');
  interface Upgrade {
    readonly pid: number;
    readonly before: { readonly pid: number; readonly flags: readonly string[] };
  }
  const upgrade = await world.json<Upgrade>('daemon', 'upgrade', '--cache', world.cache);
  writeFileSync(world.path('over'), '');
  assert.deepEqual(upgrade.before.flags, ['--cache-free', '1MiB']);
  assert.equal(upgrade.before.pid, before);
  assert.equal(await world.daemonUp(), upgrade.pid);
  assert.deepEqual(await ended, [0, null]);
  await processGone(before);
  // And what replaces it is replaced when it dies.
  await world.killDaemon();
  assert.deepEqual(await differences(source, mnt), []);
  const pid = await world.daemonUp();
  assert.notEqual(pid, upgrade.pid);
  await world.unmount(mnt);
  await nothingIsLeft(world, pid);
  const none = await world.cli('daemon', 'upgrade', '--cache', world.cache);
  assert.equal(none.code, 66);
});
