/**
 * The named control groups that a container has joined, besides its own: every process that is started in it is put
 * there. A process is in them an instant after its start.
 */
import { G8Error } from '../../base/errors.ts';
import { SUBSYSTEMS, type Subsystem } from '../cgroup/group-files.ts';
import type { ContainerArguments } from './arguments.ts';
import type { ContainerSystem } from './system.ts';

type Groups = ContainerArguments['cgroups'];
type Named = Pick<ContainerSystem, 'namedCgroups'>;

/** @throws ERR_USAGE when one of them does not exist */
export async function checkCgroups({ namedCgroups }: Named, groups: Groups): Promise<void> {
  for (const [subsystem, name] of groups ?? []) {
    const isThere = isSubsystem(subsystem) && (await namedCgroups?.has(subsystem, name));
    if (isThere !== true) throw new G8Error('ERR_USAGE', `Cgroup ${subsystem}/${name} is unknown`);
  }
}

/** @throws ERR_IO and others; ERR_NO_INPUT when a group has been removed meanwhile */
export async function joinCgroups(
  { namedCgroups }: Named,
  groups: Groups,
  pid: number,
): Promise<void> {
  for (const [subsystem, name] of groups ?? []) {
    if (isSubsystem(subsystem)) await namedCgroups?.addTask(subsystem, name, pid);
  }
}

function isSubsystem(text: string): text is Subsystem {
  return (SUBSYSTEMS as readonly string[]).includes(text);
}
