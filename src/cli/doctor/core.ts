/** What containers need besides mounts: all of it warnings, as a mount does without. */
import { findProgram } from '../../base/find-program.ts';
import { readMountinfo } from '../../fs/mountinfo.ts';
import { type Finding, ok, warn } from './finding.ts';
import { programFolders } from './host.ts';

export interface CoreNeeds {
  readonly runtime: string;
  readonly initProgram: string;
}

export async function coreFindings(
  { runtime, initProgram }: CoreNeeds,
  path: string,
): Promise<Finding[]> {
  const found: Finding[] = [cgroupFinding()];
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

function cgroupFinding(): Finding {
  const types = readMountinfo()
    .filter(({ mountPoint }) => mountPoint.startsWith('/sys/fs/cgroup'))
    .map(({ type }) => type);
  if (types.length === 0) {
    return warn('cgroups', 'not mounted', 'mount -t cgroup2 none /sys/fs/cgroup');
  }
  const hasOld = types.includes('cgroup');
  const layout = hasOld ? (types.includes('cgroup2') ? 'hybrid' : 'version 1') : 'version 2';
  return ok('cgroups', `${layout}`);
}
