/** A world whose cache lies on a disk of its own, which fails when it is told to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FaultyDisk, type FileSystem } from './faulty-disk.ts';
import { MountWorld } from './mount-world.ts';

/** @param bytes of the disk, whose file is sparse @param kind default ext4 */
export async function worldOnDisk(
  context: TestContext,
  bytes: number,
  kind: FileSystem = 'ext4',
): Promise<{ world: MountWorld; disk: FaultyDisk }> {
  const folder = mkdtempSync('/var/tmp/g8ufs-disk-');
  const disk = await FaultyDisk.make(folder, bytes, { kind });
  // Its end comes first: the daemon is gone when the disk is taken away.
  const world = new MountWorld(context, { cache: join(disk.dir, 'cache') });
  context.after(async () => {
    await disk.close();
    rmSync(folder, { recursive: true });
  });
  return { world, disk };
}
