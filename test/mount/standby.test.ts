/** A successor that stands by: who it is, when it goes on, and what becomes of it otherwise. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ListedMount } from '../../src/fs/listed-mount.ts';
import { addonPath } from '../../src/native/load.ts';
import { until } from '../support/child-server.ts';
import { MountWorld, processGone, run } from '../support/mount-world.ts';

/** A mount whose daemon has followed another one: its successor is loaded sooner than that of the first. One stands by. */
async function smallWorld(context: TestContext, env: Readonly<Record<string, string>> = {}) {
  const world = new MountWorld(context, { env: { G8UFS_STANDBY: '1', ...env } });
  const file = join(world.folder('source'), 'file');
  writeFileSync(file, randomBytes(100_000));
  await world.startHub();
  const flist = await world.create(world.path('source'));
  const mnt = await world.mount(flist, '--prefetch', 'none');
  await world.killDaemon();
  await world.daemonUp();
  const isRead = async (): Promise<boolean> =>
    (await run('cmp', join(mnt, 'file'), file)).code === 0;
  return { world, mnt, isRead };
}

/** Processes that stand by in a world. */
function standbys(world: MountWorld): number[] {
  const daemon = world.daemonPid();
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid) || pid === daemon) return false;
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return words.includes(world.cache) && words.includes('--stand-by');
      } catch {
        // It has ended since.
        return false;
      }
    });
}

/** All that it has left to do is to wait: its threads sleep, and have done so for a while. */
const seen = new Map<number, string>();
function isLoaded(pid: number): boolean {
  // User and system time.
  const used = readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ').slice(13, 15).join();
  const before = seen.get(pid);
  seen.set(pid, used);
  return before === used && readFileSync(`/proc/${pid}/maps`, 'latin1').includes('g8ufs.node');
}

/** The process that stands by, loaded. */
async function standsBy(world: MountWorld): Promise<number> {
  let pid = 0;
  await until('A successor that stands by', async () => {
    [pid = 0] = standbys(world);
    return pid !== 0 && isLoaded(pid);
  });
  return pid;
}

test('a successor that stands by goes on, and is followed by another one', async (context) => {
  const { world, mnt, isRead } = await smallWorld(context);
  const first = await standsBy(world);
  await until('What ps says', async () => {
    return (await world.json<ListedMount[]>('ps'))[0]?.standby === true;
  });
  await world.killDaemon();
  assert.equal(await isRead(), true);
  assert.equal(await world.daemonUp(), first);

  // One that dies is nobody's loss.
  const second = await standsBy(world);
  process.kill(second, 'SIGTERM');
  await processGone(second);
  const third = await standsBy(world);
  assert.equal(await world.daemonUp(), first);

  // It is of the version that an upgrade replaces.
  const upgrade = await world.json<{ pid: number }>('daemon', 'upgrade', '--cache', world.cache);
  assert.notEqual(upgrade.pid, third);
  await processGone(third);
  assert.equal(await world.daemonUp(), upgrade.pid);
  const last = await standsBy(world);
  const keepers = world.keeperPids();
  await world.unmount(mnt);
  for (const pid of [upgrade.pid, last, ...keepers]) await processGone(pid);
});

test('as many stand by as a setting says, and go on one after the other', async (context) => {
  const { world, mnt, isRead } = await smallWorld(context, { G8UFS_STANDBY: '2' });
  let all: number[] = [];
  await until('Two successors that stand by', async () => {
    all = standbys(world);
    return all.length === 2 && all.every(isLoaded);
  });
  // The second kill comes before another one can have been loaded.
  await world.killDaemon();
  assert.equal(await isRead(), true);
  const next = await world.daemonUp();
  await world.killDaemon();
  assert.equal(await isRead(), true);
  assert.deepEqual([next, await world.daemonUp()].sort(), all.sort());
  await world.unmount(mnt);
});

test('a successor of a program that has changed is not used, and none outlives its keeper', async (context) => {
  const folder = new MountWorld(context).folder('native');
  const program = join(folder, 'g8ufs.node');
  copyFileSync(addonPath(), program);
  const { world, mnt, isRead } = await smallWorld(context, { G8UFS_ADDON: program });
  const before = await standsBy(world);
  // As package managers replace files.
  copyFileSync(program, `${program}.new`);
  renameSync(`${program}.new`, program);
  await world.killDaemon();
  assert.equal(await isRead(), true);
  assert.notEqual(await world.daemonUp(), before);
  await processGone(before);
  const after = await standsBy(world);
  await world.killKeeper();
  await processGone(after);
  await world.unmount(mnt);
});

test('none stands by where a setting says so', async (context) => {
  const { world, mnt } = await smallWorld(context, { G8UFS_STANDBY: 'off' });
  // Longer than it takes to start one.
  await delay(1_500);
  assert.deepEqual(standbys(world), []);
  await world.unmount(mnt);
});
