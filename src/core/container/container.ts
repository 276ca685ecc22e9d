/** A container that runs, as the process that watches over it sees it. */
import { G8Error } from '../../base/errors.ts';
import { KeyedLock } from '../../base/keyed-lock.ts';
import { ContainerCgroup } from './cgroup.ts';
import { type ContainerFolder, runtimeName } from './container-folder.ts';
import { type EndWatch, watchEnd } from './end-watch.ts';
import { joinCgroups } from './joined-cgroups.ts';
import { LOG_SIZE_MAX, limitLog } from './log-limit.ts';
import { isAlive, type ProcessIdentity, sendSignal } from './process-identity.ts';
import { type ContainerRecord, rootOf, writeRecord } from './record.ts';
import type { ExecOptions } from './runtime.ts';
import { type ContainerSystem, cgroupOf, folderOf } from './system.ts';

/** Why a container has ended. */
export type EndReason =
  /** Somebody asked for it. */
  | 'terminated'
  /** Its first process ended by itself, or was ended by others. */
  | 'ended'
  /** The kernel ended its first process, because the container had no memory left. */
  | 'out-of-memory'
  /** Its root is not served any more. */
  | 'root-lost';

export class Container {
  readonly id: number;
  readonly folder: ContainerFolder;
  readonly cgroup: ContainerCgroup;
  /** Settles when everything of it has been taken away, or at least tried to be. */
  readonly gone: Promise<EndReason>;
  readonly #system: ContainerSystem;
  readonly #layers = new KeyedLock();
  readonly #records = new KeyedLock();
  #record: ContainerRecord;
  #watch: EndWatch | undefined;
  #endLogLimit: () => void = () => {};
  #settle: (reason: EndReason) => void = () => {};

  /** @param cgroup where the machine has its groups */
  constructor(
    system: ContainerSystem,
    record: ContainerRecord,
    cgroup = new ContainerCgroup(cgroupOf(system, record.id)),
  ) {
    this.id = record.id;
    this.folder = folderOf(system, record.id);
    this.cgroup = cgroup;
    this.gone = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#system = system;
    this.#record = record;
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get init(): ProcessIdentity | null {
    return this.#record.init;
  }

  /** Path of its network namespace. `undefined` once the first process is gone. */
  get networkNamespace(): string | undefined {
    return this.init === null ? undefined : `/proc/${this.init.pid}/ns/net`;
  }

  /** Where the root is mounted on the host. */
  get root(): string {
    return rootOf(this.folder, this.#record);
  }

  /** The command that runs something in it. */
  exec(options: ExecOptions): readonly [string, ...string[]] {
    return this.#system.runtime.exec(runtimeName(this.id), options);
  }

  /** Puts a process that was started in it into the named groups of the container. */
  async join(pid: number): Promise<void> {
    await joinCgroups(this.#system, this.#record.arguments.cgroups, pid);
  }

  /** @throws ERR_USAGE when not all its processes can be stopped where they are */
  checkPausable(): void {
    const isElsewhere = (this.#record.arguments.cgroups ?? []).length > 0;
    if (!isElsewhere || !this.cgroup.freezesByUnified) return;
    const why = 'its processes are in named cgroups of version 2';
    throw new G8Error('ERR_USAGE', `Container ${this.id} cannot be paused: ${why}`);
  }

  isStandingStill(): boolean {
    return this.isRunning() && this.cgroup.isFrozen();
  }

  /** Stops all its processes where they are. @throws ERR_IO, ERR_TIMEOUT, what {@link checkPausable} throws */
  async pause(): Promise<void> {
    this.checkPausable();
    await this.#system.runtime.pause(runtimeName(this.id));
  }

  /** @throws ERR_IO, ERR_TIMEOUT */
  async resume(): Promise<void> {
    await this.#system.runtime.resume(runtimeName(this.id));
  }

  /**
   * Puts a flist on top of the root while processes go on, in the place of the one before.
   *
   * @param source as it was named
   * @throws what {@link putLayer} throws
   */
  async layer(source: string, signal: AbortSignal): Promise<void> {
    const { putLayer } = await import('./flist-layer.ts');
    await this.#layers.run('', () => putLayer(this.#system, this, source, signal));
  }

  /** @internal Calls `onEnd` once when the first process is gone. */
  watch(onEnd: () => void): void {
    if (this.init === null) return;
    // In a named group of version 2 its processes are not in its own group any more.
    const isElsewhere = (this.#record.arguments.cgroups ?? []).length > 0;
    const eventsFile = isElsewhere ? undefined : this.cgroup.eventsFile;
    this.#watch = watchEnd(this.init, eventsFile, onEnd);
    // Only a command writes there.
    if (this.#record.command === null) return;
    this.#endLogLimit = limitLog(this.folder.log, LOG_SIZE_MAX, (error) =>
      this.#system.log.warn({ err: error, container: this.id }, 'log is not limited any more'),
    );
  }

  /** @internal */
  unwatch(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#endLogLimit();
  }

  isRunning(): boolean {
    return this.init !== null && isAlive(this.init);
  }

  /** @returns whether the first process was there to get it */
  signal(signal: NodeJS.Signals): boolean {
    return this.init !== null && sendSignal(this.init, signal);
  }

  /**
   * @internal Changes what is kept of it, here and on disk.
   * @throws ERR_ABORTED when it ends, and nothing changes; ERR_IO, ERR_CACHE_FULL for the disk
   */
  async changeRecord(change: (record: ContainerRecord) => ContainerRecord): Promise<void> {
    await this.#records.run('', async () => {
      if (this.isEnding) throw new G8Error('ERR_ABORTED', `Container ${this.id} ends`);
      this.#record = change(this.#record);
      await writeRecord(this.folder.path, this.#record);
    });
  }

  /** @internal It ends: from now on the record does not change. @throws as {@link changeRecord} for the disk */
  async endRecord(): Promise<void> {
    await this.#records.run('', async () => {
      this.#record = { ...this.#record, state: 'ending' };
      await writeRecord(this.folder.path, this.#record);
    });
  }

  get isEnding(): boolean {
    return this.#record.state === 'ending';
  }

  /** @internal */
  settle(reason: EndReason): void {
    this.#settle(reason);
  }
}
