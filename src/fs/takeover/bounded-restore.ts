/** An end of waiting for mounts whose restoring does not come to one. */
import { setTimeout as delay } from 'node:timers/promises';
import { createAbortController } from '../../base/abort.ts';

/**
 * Restoring takes milliseconds, and a machine with other work and hundreds of mounts seconds, in which one after the
 * other gets ready. When none has for so long, those that are left wait for something that does not come. Less than a
 * command waits for a daemon that replaces another one (20 s).
 */
export const RESTORE_SILENCE_MS = 15_000;
/** Time is counted in as many steps: a process that was stopped has not waited. */
const STEPS = 15;

export class BoundedRestore {
  readonly #stepMs: number;
  /** How many have ended, one way or the other. */
  #ended = 0;

  /** @param silenceMs for tests */
  constructor(silenceMs = RESTORE_SILENCE_MS) {
    this.#stepMs = silenceMs / STEPS;
  }

  /** @returns whether the work has ended; what becomes of it otherwise is the caller's. @throws what it throws */
  async run(work: Promise<void>): Promise<boolean> {
    const done = work.then(() => true).finally(() => this.#ended++);
    done.catch(() => {});
    let ended = this.#ended;
    for (let silent = 0; silent < STEPS; silent++) {
      const over = createAbortController();
      const step = delay(this.#stepMs, false, { signal: over.signal }).catch(() => false);
      if (await Promise.race([done, step]).finally(() => over.abort())) return true;
      if (this.#ended !== ended) silent = 0;
      ended = this.#ended;
    }
    return false;
  }
}
