/**
 * The cgroups of one container, on hosts with version 1, version 2 or both: who is in them, when the last one has
 * left, and whether memory ran out. The runtime makes and removes them.
 */
import { readFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type MountEntry, readMountinfo } from '../../fs/mountinfo.ts';

export class ContainerCgroup {
  /** Folder of the version 2 group; `undefined` on hosts without version 2. */
  readonly #unified: string | undefined;
  readonly #memory: string | undefined;
  readonly #any: string | undefined;
  readonly #accounting: string | undefined;
  readonly #freezer: string | undefined;

  /** @param path below the root of every hierarchy, such as `/g8ufs/5` */
  constructor(path: string, mounts: readonly MountEntry[] = readMountinfo()) {
    const below = (mount: MountEntry | undefined) =>
      mount === undefined ? undefined : join(mount.mountPoint, path);
    const of = (controller: string) =>
      below(first.find((mount) => mount.superOptions.split(',').includes(controller)));
    const first = mounts.filter(({ type }) => type === 'cgroup');
    this.#unified = below(mounts.find(({ type }) => type === 'cgroup2'));
    this.#memory = of('memory');
    this.#accounting = of('cpuacct');
    this.#freezer = of('freezer');
    this.#any = this.#memory ?? below(first[0]);
  }

  /** A file that changes when the last process has left; `undefined` where there is no such thing. */
  get eventsFile(): string | undefined {
    return this.#unified === undefined ? undefined : join(this.#unified, 'cgroup.events');
  }

  /** Numbers of the processes, as the host sees them. */
  processes(): number[] {
    return lines(this.#unified ?? this.#any, 'cgroup.procs').map(Number);
  }

  /** Whether a process that is put into another group of version 2 is not frozen with this one. */
  get freezesByUnified(): boolean {
    return this.#freezer === undefined && this.#unified !== undefined;
  }

  /** Whether its processes stand still, or are about to. */
  isFrozen(): boolean {
    const [state] = lines(this.#freezer, 'freezer.state');
    if (state !== undefined) return state !== 'THAWED';
    return lines(this.#unified, 'cgroup.freeze')[0] === '1';
  }

  /** Processor time of all processes, also of those that have ended. */
  cpuMs(): number {
    const [nanoseconds] = lines(this.#accounting, 'cpuacct.usage');
    if (nanoseconds !== undefined) return Number(nanoseconds) / 1e6;
    const line = lines(this.#unified, 'cpu.stat').find((text) => text.startsWith('usage_usec '));
    return Number(line?.split(' ')[1] ?? 0) / 1e3;
  }

  /** How many processes the kernel has ended for want of memory. */
  outOfMemoryKills(): number {
    const counts = [
      ...lines(this.#unified, 'memory.events'),
      ...lines(this.#memory, 'memory.oom_control'),
    ].map((line) => /^oom_kill (\d+)$/.exec(line)?.[1]);
    return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
  }
}

/**
 * Removes a group from every hierarchy where nothing is below it.
 *
 * @param path below the root of every hierarchy, such as `/g8ufs`
 */
export async function removeEmptyGroup(path: string): Promise<void> {
  for (const { type, mountPoint } of readMountinfo()) {
    if (type !== 'cgroup' && type !== 'cgroup2') continue;
    // It is not there, or others have groups below it.
    await rmdir(join(mountPoint, path)).catch(() => {});
  }
}

/** Nothing when there is no such group (any more). */
function lines(folder: string | undefined, file: string): string[] {
  if (folder === undefined) return [];
  try {
    return readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
