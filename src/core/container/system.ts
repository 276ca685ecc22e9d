/** What everything that is done with containers has in common. */
import { join } from 'node:path';
import type { Logger } from '../../fs/log.ts';
import type { NamedCgroups } from '../cgroup/named-cgroups.ts';
import { ContainerFolder } from './container-folder.ts';
import type { ContainerNetwork } from './container-network.ts';
import type { ContainerLimits } from './oci.ts';
import type { RootMounts } from './root-mounts.ts';
import type { Runtime } from './runtime.ts';

export interface ContainerSystem {
  readonly stateDir: string;
  readonly runtime: Runtime;
  readonly mounts: RootMounts;
  readonly network: ContainerNetwork;
  /** Folder in every cgroup hierarchy below which containers have theirs, such as `/g8ufs`. */
  readonly cgroupParent: string;
  /** Groups by name that containers may join; absent: there are none. */
  readonly namedCgroups?: Pick<NamedCgroups, 'has' | 'addTask'>;
  /** Of every container, unless it says others. */
  readonly limits?: ContainerLimits;
  /** Static program that reaps orphans and passes signals on. */
  readonly initProgram: string;
  /** Programs of ours that are seen in every container: path of the host by name inside. */
  readonly programs: Readonly<Record<string, string>>;
  /** Where names such as `user/image` are looked for; empty: nowhere. */
  readonly hubUrl: string;
  readonly log: Logger;
}

type Located = Pick<ContainerSystem, 'stateDir'>;

/** Holds the folders of all containers. */
export function containersDir({ stateDir }: Located): string {
  return join(stateDir, 'containers');
}

export function folderOf(system: Located, id: number): ContainerFolder {
  return new ContainerFolder(join(containersDir(system), String(id)));
}

export function cgroupOf(
  { cgroupParent }: Pick<ContainerSystem, 'cgroupParent'>,
  id: number,
): string {
  return `${cgroupParent}/${id}`;
}
