/** Starts the first process of a container that is prepared. */
import { open } from 'node:fs/promises';
import { runtimeName } from './container-folder.ts';
import { joinCgroups } from './joined-cgroups.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import type { ContainerRecord } from './record.ts';
import { type ContainerSystem, folderOf } from './system.ts';

/**
 * @returns the process, which may have ended by now: then it is found dead like any other
 * @throws what {@link Runtime.start} throws
 */
export async function startInit(
  system: ContainerSystem,
  { id, arguments: { cgroups } }: ContainerRecord,
): Promise<ProcessIdentity> {
  const folder = folderOf(system, id);
  await using log = await open(folder.log, 'a', 0o600);
  const pid = await system.runtime.start(runtimeName(id), folder.bundle, log.fd);
  await joinCgroups(system, cgroups, pid);
  return identify(pid) ?? { pid, startTicks: '', boot: '' };
}
