/**
 * The containers of one state folder that this process watches over: makes them, ends them, takes over those of a
 * process that died. Commands that run one container and the core daemon use the same folder side by side; each
 * record says whose a container is.
 *
 * Concurrency: calls may overlap. One container ends once, whoever asked first.
 */
import { G8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { readMountinfo } from '../../fs/mountinfo.ts';
import { removeEmptyGroup } from './cgroup.ts';
import { Container, type EndReason } from './container.ts';
import type { ContainerFolder } from './container-folder.ts';
import { takeId, withIdLock } from './ids.ts';
import { checkCgroups } from './joined-cgroups.ts';
import { settledRecord } from './pending-layer.ts';
import { type ContainerOrder, mountPointsOf, prepare } from './prepare.ts';
import { ownIdentity, type ProcessIdentity } from './process-identity.ts';
import { Reconciler } from './reconcile.ts';
import { type ContainerRecord, writeRecord } from './record.ts';
import { Restarter } from './restarter.ts';
import { RootMounts, type RootMountsOptions } from './root-mounts.ts';
import { type Foreground, runInForeground } from './run-in-foreground.ts';
import { servedRoots } from './served-roots.ts';
import { startInit } from './start-init.ts';
import { killInit, stopGently } from './stop.ts';
import { type ContainerSystem, containersDir, folderOf } from './system.ts';
import { takeApart, takeAway } from './take-away.ts';
import { resumeSurely } from './while-still.ts';

/** Below the 10 s after which clients give up. */
export const GRACE_MS = 5_000;

export interface ContainersOptions extends Omit<ContainerSystem, 'mounts'> {
  readonly mounts: RootMountsOptions;
  /** More are refused. */
  readonly countMax: number;
  /** Take over containers whose process died, and look after all of them now and then. Default false. */
  readonly adopt?: boolean;
  /** Called when a container has been taken away. */
  readonly onEnd?: (container: Container, reason: EndReason) => void;
  /** Called when the first process of a container has died and runs again: what was in it is gone. */
  readonly onRestart?: (container: Container) => void;
  /** Called before that, when its jobs are gone and it does not run. Must not fail. */
  readonly onRestarting?: (container: Container) => Promise<void>;
}

export class Containers {
  readonly #options: ContainersOptions;
  readonly #system: ContainerSystem;
  readonly #self: ProcessIdentity = ownIdentity();
  readonly #table = new Map<number, Container>();
  /** Being made: in nobody's list yet. */
  readonly #making = new Set<number>();
  readonly #ending = new Map<number, Promise<void>>();
  /** Whether what all containers have in common may be there. */
  #hasParent = true;
  readonly #reconciler: Reconciler;
  readonly #restarter: Restarter;

  private constructor(options: ContainersOptions) {
    this.#options = options;
    const mounts = new RootMounts(options.mounts, () => {
      this.#checkRoots().catch((error: unknown) =>
        options.log.error({ err: error }, 'roots of containers cannot be checked'),
      );
    });
    this.#system = { ...options, mounts };
    this.#restarter = new Restarter(this.#system, {
      onRestarting: async (container) => await options.onRestarting?.(container),
      onRestarted: (container) => {
        container.watch(() => this.#ended(container));
        options.onRestart?.(container);
      },
      onFailed: (container) => this.#endLogged(container, 'ended'),
    });
    this.#reconciler = new Reconciler(this.#system, {
      adopts: options.adopt === true,
      self: this.#self,
      isKept: (id) => this.#table.has(id) || this.#making.has(id) || this.#ending.has(id),
      adopt: (record) => this.#adopt(record),
      look: () => this.#look(),
    });
  }

  /**
   * Opens a state folder, making it if need be; clears away what is dead in it and takes over what is not.
   *
   * @throws ERR_CREATE, ERR_PERMISSION, ERR_IO
   */
  static async open(options: ContainersOptions): Promise<Containers> {
    await makeFolder(options.stateDir, { mode: 0o700 });
    await makeFolder(containersDir(options), { mode: 0o700 });
    const containers = new Containers(options);
    await containers.#reconciler.run();
    if (options.adopt === true) {
      await options.network.prune(await containers.#reconciler.ids());
      await containers.#checkRoots();
      containers.#reconciler.start();
    }
    return containers;
  }

  /** Containers of this process, those that are being made included. */
  get count(): number {
    return this.#table.size + this.#making.size;
  }

  get isFull(): boolean {
    return this.count >= this.#options.countMax;
  }

  /** By number. */
  list(): Container[] {
    return [...this.#table.values()].sort((a, b) => a.id - b.id);
  }

  find(id: number): Container | undefined {
    return this.#table.get(id);
  }

  /** @throws ERR_NO_INPUT when there is none */
  get(id: number): Container {
    const container = this.#table.get(id);
    if (container !== undefined) return container;
    throw new G8Error('ERR_NO_INPUT', `no container with id '${id}'`);
  }

  /**
   * Makes a container and starts it. What fails leaves nothing behind.
   *
   * @throws ERR_CREATE when there are too many, or the runtime refuses; what mounting and the network throw
   */
  async create(order: ContainerOrder): Promise<Container> {
    await checkCgroups(this.#system, order.arguments.cgroups);
    const record = await this.#reserve(order);
    const { id } = record;
    try {
      const { network, command } = await prepare(this.#system, record, order);
      const init = await startInit(this.#system, record);
      const nics = network.nics ?? record.arguments.nics;
      const running = { ...record, state: 'running', init, command } as const;
      return await this.#keep({ ...running, arguments: { ...record.arguments, nics } });
    } catch (error) {
      await this.#takeAway(record);
      throw error;
    } finally {
      this.#making.delete(id);
    }
  }

  /**
   * Makes a container that runs a command in the foreground, and takes it away when that has ended for good.
   *
   * @returns the exit status of the last run
   * @throws as {@link create}; ERR_CREATE when the command cannot be started; ERR_ABORTED while it waits for another run
   */
  async run(order: ContainerOrder, foreground: Foreground): Promise<number> {
    // While the number is taken. What fails here fails again where it is needed.
    this.#system.mounts.connect().catch(() => {});
    const record = await this.#reserve(order);
    try {
      const { command } = await prepare(this.#system, record, order);
      return await runInForeground(this.#system, { ...record, command }, foreground);
    } finally {
      await this.#takeAwayLast(record);
    }
  }

  #folder(id: number): ContainerFolder {
    return folderOf(this.#system, id);
  }

  /**
   * Ends a container: its processes are asked, then killed, and everything of it is taken away.
   *
   * @param graceMs how long they may take; default 5 s
   * @throws ERR_NO_INPUT when there is no such container; ERR_IO when something of it cannot be taken away yet
   */
  async terminate(id: number, graceMs = GRACE_MS): Promise<void> {
    const container = this.get(id);
    await this.#end(container, 'terminated', graceMs);
  }

  /** Leaves everything as it is: containers go on, and whoever comes next finds them. */
  async close(): Promise<void> {
    await Promise.all([this.#reconciler.close(), this.#restarter.close()]);
    for (const container of this.#table.values()) container.unwatch();
    await Promise.allSettled(this.#ending.values());
    await Promise.all([this.#system.mounts.close(), this.#removeParent()]);
  }

  /** Takes a number and writes the first record; from then on a crash is cleaned up after. */
  async #reserve(order: ContainerOrder): Promise<ContainerRecord> {
    if (this.isFull) {
      throw new G8Error('ERR_CREATE', `There are already ${this.count} containers`);
    }
    return await withIdLock(this.#options.stateDir, async () => {
      const id = await takeId(
        this.#options.stateDir,
        (number) => folderOf(this.#system, number).path,
      );
      this.#making.add(id);
      this.#hasParent = true;
      const folder = folderOf(this.#system, id);
      const record: ContainerRecord = {
        id,
        state: 'creating',
        arguments: order.arguments,
        created: new Date().toISOString(),
        owner: this.#self,
        init: null,
        command: order.command ?? null,
        mountPoints: mountPointsOf(folder, order.arguments),
        cacheDir: this.#system.mounts.cacheDir,
      };
      await writeRecord(folder.path, record);
      return record;
    });
  }

  async #keep(record: ContainerRecord): Promise<Container> {
    await writeRecord(folderOf(this.#system, record.id).path, record);
    const container = new Container(this.#system, record);
    this.#table.set(record.id, container);
    container.watch(() => this.#ended(container));
    return container;
  }

  /** Its process died; this one goes on with it. */
  async #adopt(record: ContainerRecord): Promise<void> {
    const container = await this.#keep({
      ...settledRecord(this.#folder(record.id), record),
      owner: this.#self,
    });
    this.#options.log.info({ container: record.id }, 'container taken over');
    // Whoever has stopped it died before it could go on.
    if (container.isStandingStill()) await resumeSurely(container);
  }

  #ended(container: Container): void {
    if (this.#restarter.begin(container)) return;
    const reason = container.cgroup.outOfMemoryKills() > 0 ? 'out-of-memory' : 'ended';
    this.#endLogged(container, reason);
  }

  #endLogged(container: Container, reason: EndReason): void {
    this.#end(container, reason, 0).catch(this.#notCleaned(container.id));
  }

  #end(container: Container, reason: EndReason, graceMs: number): Promise<void> {
    const { id } = container;
    const running = this.#ending.get(id);
    if (running !== undefined) return running;
    const ending = this.#endNow(container, reason, graceMs).finally(() => {
      this.#ending.delete(id);
      container.settle(reason);
      this.#options.onEnd?.(container, reason);
    });
    this.#ending.set(id, ending);
    return ending;
  }

  async #endNow(container: Container, reason: EndReason, graceMs: number): Promise<void> {
    await this.#restarter.cancel(container.id);
    container.unwatch();
    this.#options.log.info({ container: container.id, reason }, 'container ends');
    try {
      // When the disk is full the container ends all the same.
      await container.endRecord().catch(() => {});
      await stopGently(container, graceMs);
      await killInit(container);
      await takeAway(this.#system, container.id, container.record.mountPoints);
    } finally {
      // What could not be taken away is tried again by the reconciler.
      this.#table.delete(container.id);
    }
  }

  /** What all containers have in common: nobody makes one without the lock, and one has a folder before a group. */
  async #removeParent(): Promise<void> {
    if (this.count > 0 || !this.#hasParent) return;
    this.#hasParent = false;
    const remove = async (): Promise<void> => {
      if ((await this.#reconciler.ids()).size > 0) return;
      await removeEmptyGroup(this.#options.cgroupParent);
    };
    // Whoever comes next does it as well.
    await withIdLock(this.#options.stateDir, remove).catch(() => {});
  }

  /** Why it failed before matters more than a failure here; the rest is tried again later. */
  async #takeAway({ id, mountPoints }: ContainerRecord): Promise<void> {
    await takeAway(this.#system, id, mountPoints).catch(this.#notCleaned(id));
  }

  /** As {@link #takeAway}, of one that is probably the last: somebody waits for both. */
  async #takeAwayLast({ id, mountPoints }: ContainerRecord): Promise<void> {
    const removeFiles = await takeApart(this.#system, id, mountPoints).catch(this.#notCleaned(id));
    this.#making.delete(id);
    const removing = removeFiles?.().catch(this.#notCleaned(id));
    await Promise.all([removing, this.#removeParent()]);
  }

  #notCleaned(container: number): (error: unknown) => void {
    return (error) => this.#options.log.error({ err: error, container }, 'clean-up failed');
  }

  /** Finds out which roots are still there and served; containers on others cannot go on. */
  async #checkRoots(): Promise<void> {
    if (this.#table.size === 0) return;
    const served = await servedRoots(this.#system.mounts);
    const mounted = new Set(readMountinfo().map(({ mountPoint }) => mountPoint));
    for (const container of this.#table.values()) {
      const { root } = container;
      if (!served.has(root) || !mounted.has(root)) this.#endLogged(container, 'root-lost');
    }
  }

  /** For what no event tells, such as a root that was unmounted by others. */
  async #look(): Promise<void> {
    for (const container of this.#table.values()) {
      if (!container.isRunning()) this.#ended(container);
    }
    await this.#checkRoots();
  }
}
