/** What containers need besides mounts: all of it warnings, as a mount does without. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../../base/find-program.ts';
import { type MountEntry, readMountinfo } from '../../fs/mountinfo.ts';
import { type Finding, ok, warn } from './finding.ts';
import { programFolders } from './host.ts';

/** What limits of containers are kept with. */
const CONTROLLERS = ['cpu', 'memory', 'pids'] as const;

export interface CoreNeeds {
  readonly runtime: string;
  readonly initProgram: string;
}

export async function coreFindings(
  { runtime, initProgram }: CoreNeeds,
  path: string,
): Promise<Finding[]> {
  const found: Finding[] = [await cgroupFinding()];
  for (const [name, packageName, what] of [
    [runtime, runtime, 'makes containers'],
    [initProgram, 'catatonit', 'is the first process of containers'],
    ['nft', 'nftables', 'opens ports of containers'],
    ['dnsmasq', 'dnsmasq-base', 'gives addresses and names in bridges'],
    ['ip', 'iproute2', 'makes networks of containers'],
  ] as const) {
    const file = await findProgram(name, programFolders(path));
    found.push(
      file === undefined
        ? warn('core', `${name} is not there`, `install ${packageName}: it ${what}`)
        : ok('core', file),
    );
  }
  return found;
}

/** Which versions of the interface there are, and whether limits can be kept. */
export async function cgroupFinding(
  mounts: readonly MountEntry[] = readMountinfo(),
): Promise<Finding> {
  const old = mounts.filter(({ type }) => type === 'cgroup');
  const unified = mounts.find(({ type }) => type === 'cgroup2');
  if (old.length === 0 && unified === undefined) {
    return warn('cgroups', 'not mounted', 'mount -t cgroup2 none /sys/fs/cgroup');
  }
  const there = [
    ...old.flatMap(({ superOptions }) => superOptions.split(',')),
    ...(unified === undefined ? [] : await controllersOf(unified)),
  ];
  const layout = layoutOf(old.length > 0, unified !== undefined);
  const missing = CONTROLLERS.filter((name) => !there.includes(name));
  if (missing.length > 0) {
    const what = missing.join(', ');
    const hint = `limits of containers need them: cgroup_enable= for the kernel, Delegate=yes for a service, or mount version 2`;
    return warn('cgroups', `${layout} without ${what}`, hint);
  }
  if (unified !== undefined) return ok('cgroups', layout);
  const hint =
    'systemd.unified_cgroup_hierarchy=1 for the kernel: version 2 tells when a container has ended, else it is looked for';
  return warn('cgroups', layout, hint);
}

function layoutOf(hasOld: boolean, hasUnified: boolean): string {
  if (!hasOld) return 'version 2';
  return hasUnified ? 'hybrid: limits by version 1, events by version 2' : 'version 1';
}

async function controllersOf({ mountPoint }: MountEntry): Promise<string[]> {
  return (await readFile(join(mountPoint, 'cgroup.controllers'), 'latin1')).trim().split(' ');
}
