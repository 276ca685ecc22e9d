/** What became of a layer whose process died while it put it on a root. */
import { readFileSync } from 'node:fs';
import { type MountEntry, parseMountinfo, readMountinfo } from '../../fs/mountinfo.ts';
import type { ContainerFolder } from './container-folder.ts';
import { isAlive } from './process-identity.ts';
import type { ContainerRecord } from './record.ts';

/** The record of a container that is taken over, without anything pending. */
export function settledRecord(folder: ContainerFolder, record: ContainerRecord): ContainerRecord {
  const { pending, init } = record;
  if (pending === undefined || init === null) return record;
  const { point } = folder.layered(pending.number);
  // One that died will have the root that was its own for certain.
  return settlePending(record, point, isAlive(init) ? mountsOf(init.pid) : [], readMountinfo());
}

function mountsOf(pid: number): MountEntry[] {
  try {
    return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
  } catch {
    // It has just ended.
    return [];
  }
}

/**
 * Pure.
 *
 * @param point where the pending layer is mounted on the host, if it is
 * @param inside mounts as the container's processes see them
 * @param outside mounts of the host
 * @returns the record without anything pending
 */
export function settlePending(
  { pending, ...record }: ContainerRecord,
  point: string,
  inside: readonly MountEntry[],
  outside: readonly MountEntry[],
): ContainerRecord {
  const mounted = outside.findLast(({ mountPoint }) => mountPoint === point);
  const roots = inside.filter(({ mountPoint }) => mountPoint === '/');
  // What lies on the root is not where the processes are.
  const root = roots.find(({ parent }) => !roots.some(({ id }) => id === parent));
  // Copies of a mount have its device.
  const isOn = mounted !== undefined && mounted.device === root?.device;
  return isOn ? { ...record, layer: pending } : record;
}
