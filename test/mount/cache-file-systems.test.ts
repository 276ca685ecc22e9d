/** Caches on other file systems than that of the other tests: what users have, too, is read, evicted and taken over. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { MountFigures } from '../../src/fs/explain.ts';
import { worldOnDisk } from '../support/disk-world.ts';
import { run } from '../support/mount-world.ts';

const MIB = 1024 * 1024;
/** XFS wants 300 MiB; the disk's file is sparse. */
const DISK_BYTES = 400 * MIB;
const FILE_COUNT = 12;
const OK = { code: 0, stdout: '', stderr: '' };

for (const kind of ['xfs', 'btrfs'] as const) {
  test(`a cache on ${kind}: the kernel reads it, contents go and come, a successor takes over`, async (context) => {
    const { world, disk } = await worldOnDisk(context, DISK_BYTES, kind);
    const source = world.folder('source');
    for (let i = 0; i < FILE_COUNT; i++) {
      writeFileSync(join(source, `file-${i}`), randomBytes(100_000 + i * 7001));
    }
    writeFileSync(join(source, 'large'), randomBytes(5 * MIB));
    writeFileSync(join(source, 'holes'), randomBytes(MIB));
    truncateSync(join(source, 'holes'), 20 * MIB);
    await world.startHub();
    const flist = await world.create(source);
    const mnt = await world.mount(flist, '--prefetch', 'none');
    const isRight = async (place: string): Promise<void> =>
      assert.deepEqual(await run('diff', '-r', source, place), OK);
    const fromDisk = async (): Promise<void> => {
      await run('sync', '-f', disk.dir);
      writeFileSync('/proc/sys/vm/drop_caches', '1');
      await isRight(mnt);
    };

    // A part of a file first: it is completed later.
    const part = await run('cmp', '-n', '100000', join(source, 'large'), join(mnt, 'large'));
    assert.deepEqual(part, OK);
    await isRight(mnt);
    await fromDisk();
    const status = async () =>
      await world.json<Record<string, unknown>>('cache', 'status', '--cache', world.cache);
    const full = await status();
    assert.equal(full['fileSystem'], kind);
    assert.equal(full['degraded'], null);
    assert.equal(full['files'], FILE_COUNT + 2);
    assert.ok((full['bytes'] as number) < 20 * MIB, 'holes take no room');
    const { counters } = await world.json<MountFigures>('stats', mnt);
    assert.ok((counters['passthroughOpens'] ?? 0) >= FILE_COUNT, 'the kernel reads them');

    await world.killDaemon();
    await fromDisk();
    assert.equal((await status())['misses'], 0, 'the successor has all of it');

    await world.unmount(mnt);
    const again = await world.mount(flist, '--cache-size', '4MiB');
    await world.json('cache', 'gc', '--cache', world.cache);
    const small = await status();
    assert.ok((small['evictedFiles'] as number) > 0);
    assert.ok((small['bytes'] as number) <= 4 * MIB, `${small['bytes']} bytes are left`);
    await isRight(again);
    await world.unmount(again);
  });
}
