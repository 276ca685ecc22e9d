/**
 * Takes everything of a container away: processes, cgroups, network, mounts, folder. Each step finds out by itself
 * what is left to do, so it can be done again after a failure or a crash, also by another process.
 */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { readMountinfo } from '../../fs/mountinfo.ts';
import { runtimeName } from './container-folder.ts';
import { detachBelow } from './root-mounts.ts';
import { type ContainerSystem, containersDir, folderOf } from './system.ts';

/** Begins the name of a folder whose container is gone. */
export const REMOVED = '.removed-';

/**
 * @param mountPoints what the mount daemon may have mounted
 * @throws ERR_IO, ERR_MOUNT, ERR_TIMEOUT; everything that could be done is done by then
 */
export async function takeAway(
  system: ContainerSystem,
  id: number,
  mountPoints: readonly string[],
): Promise<void> {
  await (await takeApart(system, id, mountPoints))();
}

/**
 * {@link takeAway} but for the files: there is no such container any more, and its number is free.
 *
 * @returns removes them
 */
export async function takeApart(
  system: ContainerSystem,
  id: number,
  mountPoints: readonly string[],
): Promise<() => Promise<void>> {
  const folder = folderOf(system, id);
  const failures: unknown[] = [];
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    await step().catch((error: unknown) => failures.push(error));
  };
  // The processes first: they hold the rest.
  await attempt(() => system.runtime.delete(runtimeName(id)));
  await Promise.all([
    attempt(() => system.network.remove(id)),
    attempt(async () => {
      for (const point of mountPoints.toReversed()) await system.mounts.unmount(point);
      await detachBelow(folder.path);
    }),
  ]);
  if (failures.length > 0) throw failures[0];
  const removed = await setAside(system, folder.path, id);
  return async () => {
    if (removed !== undefined) await removeUnmounted(removed);
  };
}

/** Removes what a removal that was interrupted has left, given its name. */
export async function removeRest(system: ContainerSystem, name: string): Promise<void> {
  const path = join(containersDir(system), name);
  await detachBelow(path);
  await removeUnmounted(path);
}

/** Renamed first: the number is free at once, and nobody takes a half-empty folder for a container. */
async function setAside(
  system: ContainerSystem,
  path: string,
  id: number,
): Promise<string | undefined> {
  const removed = join(containersDir(system), `${REMOVED}${id}-${process.pid}-${Date.now()}`);
  try {
    await rename(path, removed);
    return removed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Never deletes through a mount: what is seen there belongs to somebody else. */
async function removeUnmounted(path: string): Promise<void> {
  const inside = readMountinfo().find(({ mountPoint }) => mountPoint.startsWith(`${path}/`));
  if (inside !== undefined) {
    throw new G8Error('ERR_MOUNT', `${inside.mountPoint} is still mounted: its folder stays`);
  }
  await rm(path, { recursive: true, force: true });
}
