/** What readers see when the disk of the cache is full, takes nothing, or gives nothing back: right bytes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MountFigures } from '../../src/fs/explain.ts';
import { flipBit } from '../support/chunk-files.ts';
import { worldOnDisk } from '../support/disk-world.ts';
import { MountWorld, run } from '../support/mount-world.ts';
import { sanitizerEnv } from '../support/sanitizer.ts';

const MIB = 1024 * 1024;

test('a cache on a small disk serves more than fits, one file that is larger than the disk among it', async (context) => {
  const { world } = await worldOnDisk(context, 24 * MIB);
  const source = world.folder('source');
  writeFileSync(join(source, 'large'), randomBytes(28 * MIB));
  for (let i = 0; i < 24; i++) writeFileSync(join(source, `file-${i}`), randomBytes(700_000 + i));
  await world.startHub();
  const mnt = await world.mount(await world.create(source));
  const compared = await run('diff', '-r', source, mnt);
  assert.deepEqual(compared, { code: 0, stdout: '', stderr: '' });
  const status = await world.cacheStatus();
  assert.ok((status['evictedFiles'] ?? 0) > 0, 'what was read first has made room');
  assert.ok((status['lentBytes'] ?? 0) > 0, 'the large file could not be kept');
  await world.unmount(mnt);
});

test('a disk that takes nothing, then gives nothing back: every read is right', async (context) => {
  const { world, disk } = await worldOnDisk(context, 64 * MIB);
  const source = world.folder('source');
  for (let i = 0; i < 12; i++) writeFileSync(join(source, `file-${i}`), randomBytes(300_000 + i));
  writeFileSync(join(source, 'large'), randomBytes(5 * MIB));
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--open-mode', 'none');
  const compare = (name: string) => run('cmp', join(source, name), join(mnt, name));
  for (const name of ['file-0', 'file-1']) assert.equal((await compare(name)).code, 0);

  // Writes fail from here on, the journal's among them: ext4 makes itself read-only.
  await disk.failWrites(1);
  await run('sync', '-f', disk.dir);
  for (let i = 2; i < 6; i++) assert.deepEqual(await compare(`file-${i}`), OK);
  assert.deepEqual(await compare('large'), OK);
  const status = await world.json<Record<string, unknown>>(
    'cache',
    'status',
    '--cache',
    world.cache,
  );
  assert.equal(status['degraded'], 'broken');
  assert.ok((status['lentBytes'] as number) > 5 * MIB);
  const [mount] = await world.json<{ degraded: string }[]>('ps');
  assert.equal(mount?.degraded, 'broken');
  assert.match(
    (await world.cli('metrics', '--cache', world.cache)).stdout,
    /g8ufs_cache_degraded\{reason="broken"\} 1/,
  );

  // What was cached cannot be read any more either.
  await disk.failReads(1);
  writeFileSync('/proc/sys/vm/drop_caches', '1');
  for (let i = 0; i < 12; i++) assert.deepEqual(await compare(`file-${i}`), OK);
  assert.deepEqual(await compare('large'), OK);

  await world.unmount(mnt, '--lazy');
});

const OK = { code: 0, stdout: '', stderr: '' };

test('a disk that gives nothing back: what the kernel reads by itself is asked of others when it is opened', async (context) => {
  const { world, disk } = await worldOnDisk(context, 64 * MIB);
  const source = world.folder('source');
  for (let i = 0; i < 12; i++) writeFileSync(join(source, `file-${i}`), randomBytes(300_000 + i));
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--open-mode', 'passthrough');
  // Once to have them, once more so that the kernel has been given them.
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(await run('diff', '-r', source, mnt), OK);
  }
  await run('sync', '-f', disk.dir);
  const { counters } = await world.json<MountFigures>('stats', mnt);
  assert.ok((counters['passthroughOpens'] ?? 0) >= 12, 'the kernel reads them');
  const failed = (await disk.failReads(1)).failedReads;
  writeFileSync('/proc/sys/vm/drop_caches', '1');
  const compared = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      run('cmp', join(source, `file-${i}`), join(mnt, `file-${i}`)),
    ),
  );
  for (const result of compared) assert.deepEqual(result, OK);
  assert.ok((await disk.counts()).failedReads > failed, 'the disk was asked');
  await world.unmount(mnt, '--lazy');
});

test('reads that a disk held up may fail after others have answered them and their files are closed', async (context) => {
  const { world, disk } = await worldOnDisk(context, 64 * MIB);
  const source = world.folder('source');
  const names = Array.from({ length: 8 }, (_, i) => `file-${i}`);
  for (const name of names) writeFileSync(join(source, name), randomBytes(300_000));
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--open-mode', 'passthrough');
  assert.deepEqual(await run('diff', '-r', source, mnt), OK);
  await run('sync', '-f', disk.dir);
  const pid = world.daemonPid();
  // One read that fails: from here on the daemon reads for the kernel.
  await forgetPages(mnt, join(world.cache, 'files'));
  await disk.failReads(1);
  assert.deepEqual(await run('cmp', join(source, 'file-0'), join(mnt, 'file-0')), OK);
  await disk.failReads(0);

  const files = await Promise.all(names.slice(1).map((name) => open(join(mnt, name))));
  await forgetForGood(mnt, join(world.cache, 'files'));
  await disk.hang(true);
  try {
    const start = performance.now();
    for (const [i, file] of files.entries()) {
      const plain = readFileSync(join(source, `file-${i + 1}`));
      assert.ok((await readAll(file)).equals(plain));
      await file.close();
    }
    assert.ok(performance.now() - start > 500, 'the first one was held up');
    await disk.failReads(1);
  } finally {
    await disk.hang(false);
  }
  // By then whoever waited has heard of it.
  await untilWell(world);
  await disk.failReads(0);
  assert.deepEqual(await run('diff', '-r', source, mnt), OK);
  assert.equal(world.daemonPid(), pid);
  await world.unmount(mnt, '--lazy');
});

/** Waits until the one mount is not degraded any more. */
async function untilWell(world: MountWorld): Promise<void> {
  const end = performance.now() + 60_000;
  const degraded = async () => (await world.json<{ degraded: string }[]>('ps'))[0]?.degraded;
  while ((await degraded()) !== null && performance.now() < end) await delay(200);
  assert.equal(await degraded(), null);
}

async function readAll(file: FileHandle): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

test('a daemon without descriptors opens what the kernel was given before', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  for (const name of ['file', 'other']) writeFileSync(join(source, name), randomBytes(100_000));
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--open-mode', 'passthrough');
  const compare = () => run('cmp', join(source, 'file'), join(mnt, 'file'));
  for (let round = 0; round < 2; round++) assert.deepEqual(await compare(), OK);
  // Long enough for the disk to be looked at again.
  await delay(300);
  const daemon = `--pid=${world.daemonPid()}`;
  const before = (await run('prlimit', daemon, '--nofile', '--raw', '--noheadings', '-o', 'SOFT'))
    .stdout;
  const limit = (soft: string) => run('prlimit', daemon, `--nofile=${soft.trim()}:`);
  assert.deepEqual(await limit('0'), OK);
  try {
    assert.match((await run('cat', join(mnt, 'other'))).stderr, /Too many open files/);
    assert.deepEqual(await compare(), OK);
  } finally {
    assert.deepEqual(await limit(before), OK);
  }
  assert.deepEqual(await run('diff', '-r', source, mnt), OK);
  await world.unmount(mnt);
});

for (const openMode of ['none', 'passthrough']) {
  test(`a disk that answers nobody for a while, open mode ${openMode}: reads go past it, commands answer, nothing is left of it`, (context) =>
    hangs(context, openMode));
}

async function hangs(context: TestContext, openMode: string): Promise<void> {
  const { world, disk } = await worldOnDisk(context, 64 * MIB);
  const source = world.folder('source');
  for (let i = 0; i < 8; i++) writeFileSync(join(source, `file-${i}`), randomBytes(300_000 + i));
  await world.startHub();
  const flist = await world.create(source);
  const mnt = await world.mount(flist, '--open-mode', openMode, '--deadline', '20s');
  const compare = (name: string) => run('cmp', join(source, name), join(mnt, name));
  for (const name of ['file-2', 'file-0', 'file-4']) assert.deepEqual(await compare(name), OK);
  await run('sync', '-f', disk.dir);
  const threads = () => readdirSync(`/proc/${world.daemonPid()}/task`).length;
  const before = threads();
  // What the cache has is on the disk alone: not in memory, neither for the mount nor, behind it, for the cache.
  await forgetPages(mnt, join(world.cache, 'files'));
  await disk.hang(true);
  try {
    // More than there are workers, at the same time.
    const reads = ['file-0', 'file-2', 'file-4', 'file-1', 'file-3'].map(compare);
    assert.deepEqual(
      await Promise.all(reads),
      Array.from(reads, () => OK),
    );
    const [mount] = await world.json<{ degraded: string }[]>('ps');
    assert.equal(mount?.degraded, 'hanging');
    const { stdout } = await world.cli('metrics', '--cache', world.cache);
    assert.match(stdout, /g8ufs_cache_degraded\{reason="hanging"\} 1/);
    assert.deepEqual(await compare('file-5'), OK);
  } finally {
    await disk.hang(false);
  }
  await untilWell(world);
  assert.deepEqual(await run('diff', '-r', source, mnt), OK);
  const end = performance.now() + 60_000;
  while (threads() > before && performance.now() < end) await delay(200);
  assert.ok(threads() <= before, 'the threads that waited are gone');
  await world.unmount(mnt, '--lazy');
}

/** As {@link forgetPages}, and what is verified behind everybody's back after a read error as well. */
async function forgetForGood(...dirs: string[]): Promise<void> {
  const end = performance.now() + 60_000;
  const pages = async () =>
    (await run('find', ...dirs, '-type', 'f', '-exec', 'fincore', '-bno', 'PAGES', '{}', '+'))
      .stdout;
  do {
    await forgetPages(...dirs);
    await delay(1_000);
  } while (/[1-9]/.test(await pages()) && performance.now() < end);
}

/** Takes all files below the folders out of the page cache. */
async function forgetPages(...dirs: string[]): Promise<void> {
  const forget = ['sh', '-c', 'dd if="$0" iflag=nocache count=0 status=none'];
  for (const dir of dirs) await run('find', dir, '-type', 'f', '-exec', ...forget, '{}', ';');
}

test('cache verify --repair sets aside what went bad and fetches it again', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), randomBytes(100_000));
  writeFileSync(join(source, 'other'), randomBytes(70_000));
  await world.startHub();
  const mnt = await world.mount(await world.create(source));
  assert.equal((await run('diff', '-r', source, mnt)).code, 0);
  const [path = ''] = (
    await run('find', join(world.cache, 'files'), '-type', 'f', '-size', '+80k')
  ).stdout.split('\n');
  flipSealed(path);
  const result = await world.cli('cache', 'verify', '--repair', '--cache', world.cache);
  assert.equal(result.code, 1);
  assert.match(result.stdout, /; 1 corrupt and removed, 1 of them fetched again\n$/);
  const status = await world.cacheStatus();
  assert.deepEqual([status['files'], status['keptCorrupt']], [2, 1]);
  assert.equal((await run('diff', '-r', source, mnt)).code, 0);
  await world.unmount(mnt);
});

test('a second daemon in other namespaces is refused, and says whose the cache is', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), 'text');
  await world.startHub();
  const flist = await world.create(source);
  const mnt = await world.mount(flist);
  const pid = world.daemonPid();
  // By another path, as another container has it, and without the socket of the one that runs.
  const [other, run2] = [world.folder('other'), world.folder('other-run')];
  const program = join(process.cwd(), 'bin/g8ufs.js');
  const variables = Object.entries(sanitizerEnv()).map(([name, value]) => `${name}='${value}'`);
  const daemon = `${variables.join(' ')} exec '${process.execPath}' '${program}' daemon --cache '${other}'`;
  const script = `mount --bind '${world.cache}' '${other}' && mount --bind '${run2}' '${other}/run' && ${daemon}`;
  const refused = await run('unshare', '--mount', '--pid', '--fork', '--uts', 'sh', '-c', script);
  assert.equal(refused.code, 75);
  assert.match(refused.stderr, new RegExp(`The cache ${other} is in use by process ${pid}`));
  assert.equal((await run('cat', join(mnt, 'file'))).stdout, 'text');
  await world.unmount(mnt);
});

/** Changes a byte of a sealed file, and nothing else that could be noticed. */
function flipSealed(path: string): void {
  chmodSync(path, 0o600);
  flipBit(path);
  utimesSync(path, 1, 1);
}
