/** What becomes of mounts whose daemon dies while the disk of its cache cannot be used. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../support/child-server.ts';
import { worldOnDisk } from '../support/disk-world.ts';
import { type MountWorld, processGone, run } from '../support/mount-world.ts';

const FILES = 12;
const ALL = Array.from({ length: FILES }, (_, i) => i);

interface Listed {
  readonly pid: number;
  readonly degraded: string | null;
  readonly degradedBy: string | null;
}

/** A mount of some files, half of them read, whose cache lies on a disk of its own. */
async function mountOnDisk(context: TestContext) {
  const { world, disk } = await worldOnDisk(context, 64 * 1024 * 1024);
  const source = world.folder('source');
  for (let i = 0; i < FILES; i++) {
    writeFileSync(join(source, `file-${i}`), randomBytes(300_000 + i));
  }
  await world.startHub();
  const mnt = await world.mount(await world.create(source));
  const compare = async (...numbers: number[]): Promise<void> => {
    for (const i of numbers) {
      const result = await run('cmp', join(source, `file-${i}`), join(mnt, `file-${i}`));
      assert.deepEqual(result, { code: 0, stdout: '', stderr: '' }, `file ${i}`);
    }
  };
  await compare(0, 1, 2, 3, 4, 5);
  await run('sync', '-f', disk.dir);
  const listed = async (): Promise<Listed> => {
    const [mount] = await world.json<Listed[]>('ps');
    assert.ok(mount, 'the mount is there');
    return mount;
  };
  const kill = async (pid: number): Promise<void> => {
    process.kill(pid, 'SIGKILL');
    await processGone(pid);
  };
  return { world, disk, mnt, compare, listed, kill };
}

test('a daemon that dies while its disk takes nothing has a successor, and that one as well', async (context) => {
  const { world, disk, mnt, compare, listed, kill } = await mountOnDisk(context);
  const { pid } = await listed();
  // The journal's writes fail, and ext4 makes itself read-only.
  await disk.failWrites(1);
  writeFileSync(join(disk.dir, 'anything'), 'text');
  await run('sync', '-f', disk.dir);
  await kill(pid);
  await compare(0, 6, 7);
  const second = await listed();
  assert.equal(second.degraded, 'broken');
  assert.match(second.degradedBy ?? '', /[Rr]ead-only/);
  await kill(second.pid);
  await compare(1, 8, 9);
  assert.equal((await listed()).degraded, 'broken');
  assert.equal(standIns(world).length, 1, 'that of the daemon before is gone');
  await world.unmount(mnt, '--lazy');
});

test('a daemon that dies while its disk gives nothing has a successor, which makes way when it does', async (context) => {
  const { world, disk, mnt, compare, listed, kill } = await mountOnDisk(context);
  const { pid } = await listed();
  // What the cache has kept and what it knows are out of memory, the index of the image is not.
  const forget = ['sh', '-c', 'dd if="$0" iflag=nocache count=0 status=none'];
  for (const name of ['files', 'state']) {
    await run('find', join(world.cache, name), '-type', 'f', '-exec', ...forget, '{}', ';');
  }
  await disk.failReads(1);
  await kill(pid);
  await compare(0, 6, 7);
  const second = await listed();
  assert.equal(second.degraded, 'broken');
  await disk.failReads(0);
  await well(listed);
  const third = await listed();
  assert.notEqual(third.pid, second.pid);
  assert.deepEqual(standIns(world), []);
  await compare(...ALL);
  assert.ok(((await world.cacheStatus())['files'] ?? 0) >= FILES, 'all of them are kept again');
  await world.unmount(mnt);
});

test('a daemon that dies while its disk has no room at all has a successor, and that one as well', async (context) => {
  const { world, disk, mnt, compare, listed, kill } = await mountOnDisk(context);
  const { pid } = await listed();
  await fillDisk(disk.dir);
  await kill(pid);
  await compare(0, 6, 7);
  const second = await listed();
  assert.equal(second.degraded, 'broken');
  assert.match(second.degradedBy ?? '', /No space left/);
  await kill(second.pid);
  await compare(1, 8, 9);
  rmSync(join(disk.dir, 'filler'));
  await well(listed);
  await compare(...ALL);
  await world.unmount(mnt);
});

test('a daemon that dies while its disk does not answer has a successor, which makes way when it does', async (context) => {
  const { world, disk, mnt, compare, listed, kill } = await mountOnDisk(context);
  const { pid } = await listed();
  // One of whose threads is in the disk's hands cannot end before the disk answers.
  process.kill(pid, 'SIGSTOP');
  await run('sync', '-f', disk.dir);
  await disk.hang(true);
  await kill(pid);
  // What is in the cache, in memory as well, and what is not: backwards, so that nothing is read ahead.
  await compare(...ALL.toReversed());
  const second = await listed();
  assert.equal(second.degradedBy, 'The disk does not answer');
  assert.match(
    (await world.cli('metrics', '--cache', world.cache)).stdout,
    /^g8ufs_cache_degraded\{reason="broken"\} 1$/m,
  );
  assert.equal(standIns(world).length, 1);
  await disk.hang(false);
  await well(listed);
  assert.notEqual((await listed()).pid, second.pid);
  await compare(...ALL);
  assert.deepEqual(standIns(world), []);
  assert.ok(((await world.cacheStatus())['files'] ?? 0) >= FILES, 'all of them are kept again');
  await world.unmount(mnt);
});

test('a daemon that is killed while a thread of it waits for the disk has a successor, and that one as well', async (context) => {
  const { world, disk, mnt, compare, listed } = await mountOnDisk(context);
  const pids = [(await listed()).pid];
  await disk.hang(true);
  try {
    // Fetched, and written to the disk.
    await compare(6);
    await until('A hang', async () => (await listed()).degraded === 'hanging');
    for (const files of [
      [7, 8],
      [9, 10],
    ]) {
      process.kill(pids.at(-1) as number, 'SIGKILL');
      await compare(...files);
      const { pid, degradedBy } = await listed();
      assert.ok(!pids.includes(pid));
      assert.equal(degradedBy, 'The disk does not answer');
      pids.push(pid);
    }
    for (const pid of pids) assert.ok(existsSync(`/proc/${pid}`), 'it is not gone');
  } finally {
    // Whoever cleans up would wait for it.
    await disk.hang(false);
  }
  await well(listed);
  for (const pid of pids) await processGone(pid);
  await compare(...ALL);
  assert.deepEqual(standIns(world), []);
  await world.unmount(mnt);
});

/** Resolves when a daemon works with the real cache again. */
async function well(listed: () => Promise<Listed>): Promise<void> {
  const end = performance.now() + 60_000;
  while ((await listed()).degraded !== null && performance.now() < end) await delay(200);
  assert.equal((await listed()).degraded, null);
}

/** Fills a file system to its last block. */
async function fillDisk(dir: string): Promise<void> {
  const { stderr } = await run('dd', 'if=/dev/zero', `of=${dir}/filler`, 'bs=64k');
  assert.match(stderr, /No space left/);
  await run('dd', 'if=/dev/zero', `of=${dir}/filler`, 'bs=1k', 'oflag=append', 'conv=notrunc');
  await run('sync', '-f', dir);
}

function standIns(world: MountWorld): string[] {
  return readdirSync(world.path('run')).filter((name) => name.startsWith('stand-in-'));
}
