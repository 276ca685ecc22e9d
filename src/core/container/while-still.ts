/** Work during which the processes of a container stand still. */
import { sleep } from '../../base/deadline.ts';
import { isG8Error } from '../../base/errors.ts';
import type { Container } from './container.ts';

/** A busy machine may let one take longer than the runtime is given. */
const RESUME_ATTEMPTS_MAX = 3;
const RESUME_DELAY_MS = 200;

type Pausable = Pick<Container, 'pause' | 'resume' | 'isStandingStill'>;

/**
 * They go on afterwards, whatever the work comes to.
 *
 * @throws what pausing, the work and resuming throw
 */
export async function whileStill<T>(container: Pausable, work: () => Promise<T>): Promise<T> {
  try {
    await container.pause();
  } catch (error) {
    // The runtime may have done it before it was given up. Why it failed matters more.
    if (isG8Error(error, 'ERR_TIMEOUT')) await resumeSurely(container).catch(() => {});
    throw error;
  }
  try {
    return await work();
  } finally {
    await resumeSurely(container);
  }
}

/** @throws ERR_IO, ERR_TIMEOUT when it stands still after several attempts */
export async function resumeSurely(container: Omit<Pausable, 'pause'>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await container.resume();
      return;
    } catch (error) {
      // It has ended, or goes on although the runtime was given up.
      if (!container.isStandingStill()) return;
      if (attempt === RESUME_ATTEMPTS_MAX) throw error;
    }
    await sleep(RESUME_DELAY_MS);
  }
}
