/**
 * Compares what is on disk with what runs, at the start and every few seconds: takes over containers whose process
 * died, and takes away what is left of those that are dead. Nothing is done to containers of a living process.
 */
import { readdir } from 'node:fs/promises';
import { withIdLock } from './ids.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { type ContainerRecord, readRecord } from './record.ts';
import { type ContainerSystem, containersDir, folderOf } from './system.ts';
import { REMOVED, removeRest, takeAway } from './take-away.ts';

const INTERVAL_MS = 5_000;
const NUMBER = /^\d+$/;

export interface ReconcilerDuty {
  /** Whether living containers are taken over. */
  readonly adopts: boolean;
  readonly self: ProcessIdentity;
  /** Whether this process has the container, in whatever state. */
  readonly isKept: (id: number) => boolean;
  readonly adopt: (record: ContainerRecord) => Promise<void>;
  /** Looks at the containers that this process has. */
  readonly look: () => Promise<void>;
}

export class Reconciler {
  readonly #system: ContainerSystem;
  readonly #duty: ReconcilerDuty;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(system: ContainerSystem, duty: ReconcilerDuty) {
    this.#system = system;
    this.#duty = duty;
  }

  /** From now on every few seconds. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#tick().finally(() => {
        this.#running = undefined;
      });
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #tick(): Promise<void> {
    try {
      await this.run();
      await this.#duty.look();
    } catch (error) {
      this.#system.log.error({ err: error }, 'containers cannot be looked after');
    }
  }

  /** Numbers of all containers that there are, whoever has made them. */
  async ids(): Promise<ReadonlySet<number>> {
    const names = await readdir(containersDir(this.#system));
    return new Set(names.filter((name) => NUMBER.test(name)).map(Number));
  }

  /** One pass. A container that cannot be cleaned up does not keep others from it. */
  async run(): Promise<void> {
    for (const name of await readdir(containersDir(this.#system))) {
      try {
        if (name.startsWith(REMOVED)) await this.#finishRemoval(name);
        else if (NUMBER.test(name)) await this.#visit(Number(name));
      } catch (error) {
        this.#system.log.error({ err: error, container: name }, 'clean-up failed');
      }
    }
  }

  /** The name says which process removes it; a living one is not disturbed. */
  async #finishRemoval(name: string): Promise<void> {
    const pid = Number(name.slice(REMOVED.length).split('-')[1]);
    if (pid !== process.pid && isThere(pid)) return;
    await removeRest(this.#system, name);
  }

  async #visit(id: number): Promise<void> {
    if (this.#duty.isKept(id)) return;
    const { path } = folderOf(this.#system, id);
    const record = await readRecord(path);
    if (record === undefined) {
      // Whoever makes one holds the lock until there is a record.
      await withIdLock(this.#system.stateDir, async () => {
        const isStill = !this.#duty.isKept(id) && (await readRecord(path)) === undefined;
        if (isStill) await takeAway(this.#system, id, []);
      });
      return;
    }
    // Taken by this process while the record was read.
    if (this.#duty.isKept(id)) return;
    const isOurs = record.owner.pid === this.#duty.self.pid;
    if (!isOurs && isAlive(record.owner)) return;
    const isLiving = record.state === 'running' && record.init !== null && isAlive(record.init);
    // It died while nobody looked.
    const isToRestart = record.state === 'running' && record.arguments.restart !== undefined;
    const isKept = isLiving || (isToRestart && this.#duty.adopts);
    if (!isKept) await takeAway(this.#system, id, record.mountPoints);
    else if (this.#duty.adopts) await this.#duty.adopt(record);
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
