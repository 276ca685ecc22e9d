/**
 * Ends what a daemon that died without warning has left running in a container: jobs whose output nobody reads any
 * more. The files that hold their numbers are still there. What such a job has put into a session of its own stays.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { killGroup } from '../job/host-place.ts';
import type { Container } from './container.ts';

const SIGKILL = 9;

/** To be called before anything is started in the container. @returns how many were ended */
export async function endLostJobs({ folder, cgroup }: Container): Promise<number> {
  const names = await readdir(folder.jobs).catch((error: NodeJS.ErrnoException) => {
    // Made, and not yet prepared, by a process of another version.
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  // A number may mean another process by now, but not one of this container's.
  const processes = new Set(cgroup.processes());
  let count = 0;
  for (const name of names) {
    const path = join(folder.jobs, name);
    const pid = name.endsWith('.pid') ? Number(await readFile(path, 'utf8')) : 0;
    if (processes.has(pid) && killGroup(pid, SIGKILL)) count++;
    await rm(path, { force: true });
  }
  return count;
}
