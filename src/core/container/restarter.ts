/**
 * Starts containers again whose first process has died, when they were made to be: with the same root, what was written
 * in it, and the same network. What ran in them is gone.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from './container.ts';
import { runtimeName } from './container-folder.ts';
import { parseRestartPolicy, Restarts } from './restart.ts';
import { startInit } from './start-init.ts';
import type { ContainerSystem } from './system.ts';

/** The first process has no end of its own: whatever ended it, it did not want to. */
const FAILURE = 1;

interface Life {
  readonly restarts: Restarts;
  /** Milliseconds since 1970. */
  since: number;
  timer?: NodeJS.Timeout | undefined;
  starting?: Promise<void> | undefined;
}

export interface RestarterDuty {
  /** What it had is gone, and it does not run yet. Must not fail. */
  readonly onRestarting: (container: Container) => Promise<void>;
  readonly onRestarted: (container: Container) => void;
  /** It could not be started, which ends it. */
  readonly onFailed: (container: Container) => void;
}

export class Restarter {
  readonly #system: ContainerSystem;
  readonly #duty: RestarterDuty;
  readonly #lives = new Map<number, Life>();

  constructor(system: ContainerSystem, duty: RestarterDuty) {
    this.#system = system;
    this.#duty = duty;
  }

  /**
   * To be told of each death; once more does no harm.
   *
   * @returns whether the container will be started again
   */
  begin(container: Container): boolean {
    const { id, record } = container;
    const { restart } = record.arguments;
    if (restart === undefined) return false;
    const life = this.#lives.get(id) ?? {
      restarts: new Restarts(parseRestartPolicy(restart)),
      since: Date.parse(record.created),
    };
    this.#lives.set(id, life);
    if (life.timer !== undefined || life.starting !== undefined) return true;
    const delayMs = life.restarts.next(FAILURE, Date.now() - life.since);
    if (delayMs === undefined) return false;
    this.#system.log.warn({ container: id, delayMs }, 'container starts again');
    life.timer = setTimeout(() => {
      life.timer = undefined;
      life.starting = this.#start(container, life);
    }, delayMs);
    life.timer.unref();
    return true;
  }

  /** No start begins any more, and none is under way afterwards. */
  async cancel(id: number): Promise<void> {
    const life = this.#lives.get(id);
    clearTimeout(life?.timer);
    await life?.starting;
    this.#lives.delete(id);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#lives.keys()].map((id) => this.cancel(id)));
  }

  async #start(container: Container, life: Life): Promise<void> {
    const { id, folder } = container;
    try {
      // The processes that are left, and the group.
      await this.#system.runtime.delete(runtimeName(id));
      await useRoot(folder.bundle, container.root);
      // Whatever is sent to it from then on is for the new one.
      await this.#duty.onRestarting(container);
      const init = await startInit(this.#system, container.record);
      await container.changeRecord((record) => ({ ...record, init }));
      life.since = Date.now();
      life.starting = undefined;
      this.#duty.onRestarted(container);
    } catch (error) {
      this.#system.log.error({ err: error, container: id }, 'container cannot be started again');
      life.starting = undefined;
      this.#duty.onFailed(container);
    }
  }
}

/** A layer may have come meanwhile, see flist-layer.ts. */
async function useRoot(bundle: string, path: string): Promise<void> {
  const file = join(bundle, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { root: { path: string } };
  config.root.path = path;
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
}
