/** Ends the processes of a container: asks them first, and then no more. */
import { sleep } from '../../base/deadline.ts';
import { G8Error } from '../../base/errors.ts';
import type { Container } from './container.ts';

/** The kernel tells nobody when a process that is no child has ended; these waits are short. */
const LOOK_MS = 20;
const KILL_LOOK_MS = 4;
/** The kernel ends a killed process at once, unless it hangs in a system call. */
const KILL_TIMEOUT_MS = 10_000;

/**
 * SIGTERM, and then up to `graceMs` for everything to end. A container without a command is asked process by
 * process: its first one would end at once and take all others with it.
 */
export async function stopGently(container: Container, graceMs: number): Promise<void> {
  const { init, cgroup, record } = container;
  if (init === null || graceMs <= 0) return;
  const others = (): number[] => cgroup.processes().filter((pid) => pid !== init.pid);
  const isOver = (): boolean =>
    !container.isRunning() || (record.command === null && others().length === 0);
  if (record.command !== null) container.signal('SIGTERM');
  else for (const pid of others()) terminate(pid);
  const deadline = performance.now() + graceMs;
  while (!isOver() && performance.now() < deadline) await sleep(LOOK_MS);
}

/** @throws ERR_TIMEOUT when the kernel does not end it */
export async function killInit(container: Container): Promise<void> {
  if (!container.signal('SIGKILL')) return;
  const deadline = performance.now() + KILL_TIMEOUT_MS;
  while (container.isRunning()) {
    if (performance.now() > deadline) {
      throw new G8Error('ERR_TIMEOUT', `Container ${container.id} does not end`);
    }
    await sleep(KILL_LOOK_MS);
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended meanwhile, which is what was wanted.
  }
}
