/** What the processes of a control group use together, whichever versions of the interface the host has. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MountEntry, readMountinfo } from '../../fs/mountinfo.ts';

export interface CgroupUsage {
  /** Processor time since the group was made, in nanoseconds. */
  readonly cpuNs: number;
  readonly memoryBytes: number;
  /** Absent when there is none. */
  readonly memoryMaxBytes?: number;
  readonly processCount: number;
}

const US_TO_NS = 1000;
/** Limits above this mean none. */
const LIMIT_MAX = 2 ** 53;

/**
 * @param path of the group below the root of every hierarchy, such as `/g8ufs/5`
 * @returns zeros for what this host does not count
 */
export function cgroupUsage(
  path: string,
  mounts: readonly MountEntry[] = readMountinfo(),
): CgroupUsage {
  const unified = mounts.find(({ type }) => type === 'cgroup2');
  const read = (controller: string, legacyFile: string, file: string): string => {
    const legacy = mounts.find(
      ({ type, superOptions }) => type === 'cgroup' && superOptions.split(',').includes(controller),
    );
    const [mount, name] = legacy === undefined ? [unified, file] : [legacy, legacyFile];
    if (mount === undefined) return '';
    try {
      return readFileSync(join(mount.mountPoint, path, name), 'latin1').trim();
    } catch {
      return ''; // The group has gone, or this is not counted.
    }
  };
  const time = read('cpuacct', 'cpuacct.usage', 'cpu.stat');
  const microseconds = /^usage_usec (\d+)$/m.exec(time)?.[1];
  const limit = Number(read('memory', 'memory.limit_in_bytes', 'memory.max') || Number.NaN);
  return {
    cpuNs: microseconds === undefined ? Number(time) || 0 : Number(microseconds) * US_TO_NS,
    memoryBytes: Number(read('memory', 'memory.usage_in_bytes', 'memory.current')),
    processCount: Number(read('pids', 'pids.current', 'pids.current')),
    ...(limit < LIMIT_MAX && { memoryMaxBytes: limit }),
  };
}
