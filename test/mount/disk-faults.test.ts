/** What readers see when the disk of the cache is full, takes nothing, or gives nothing back: right bytes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { FaultyDisk } from '../support/faulty-disk.ts';
import { MountWorld, run } from '../support/mount-world.ts';

const MIB = 1024 * 1024;

/** A world whose cache lies on a disk of its own. */
async function worldOnDisk(context: TestContext, bytes: number) {
  const folder = mkdtempSync('/var/tmp/g8ufs-disk-');
  const disk = await FaultyDisk.make(folder, bytes);
  // Its end comes first: the daemon is gone when the disk is taken away.
  const world = new MountWorld(context, { cache: join(disk.dir, 'cache') });
  context.after(async () => {
    await disk.close();
    rmSync(folder, { recursive: true });
  });
  return { world, disk };
}

test('a cache on a small disk serves more than fits, one file that is larger than the disk among it', async (context) => {
  const { world } = await worldOnDisk(context, 32 * MIB);
  const source = world.folder('source');
  writeFileSync(join(source, 'large'), randomBytes(48 * MIB));
  for (let i = 0; i < 40; i++) writeFileSync(join(source, `file-${i}`), randomBytes(700_000 + i));
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
