/**
 * Control groups by subsystem and name, which processes and containers are put into. Version 1 has a hierarchy
 * for each subsystem and its groups are direct children of that; where there is version 2 alone, a name is one
 * group of all subsystems below a folder of ours. Keeps nothing in memory.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { type MountEntry, readMountinfo } from '../../fs/mountinfo.ts';
import { groupFiles, type MemorySpec, type Subsystem, UNLIMITED } from './group-files.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,127}$/;
const UNIFIED_FOLDER = 'g8ufs-named';
const CONTROLLERS: readonly string[] = ['memory', 'cpuset'];

export interface CpusetSpec {
  /** `0-1,4` */
  readonly cpus: string;
  readonly mems: string;
}

export class NamedCgroups {
  readonly #mounts: readonly MountEntry[];

  constructor(mounts: readonly MountEntry[] = readMountinfo()) {
    this.#mounts = mounts;
  }

  /** Whether a name is one group of all subsystems on this host. */
  get isUnified(): boolean {
    return !this.#mounts.some(({ type }) => type === 'cgroup');
  }

  /** Names by subsystem; without devices, and without subsystems that have none. */
  async list(): Promise<Partial<Record<Subsystem, string[]>>> {
    const found: Partial<Record<Subsystem, string[]>> = {};
    for (const subsystem of ['cpuset', 'memory'] as const) {
      if (this.#find(subsystem) === undefined) continue;
      const entries = await readdir(this.#folder(subsystem), { withFileTypes: true }).catch(
        ignoring('ENOENT', []),
      );
      const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
      if (names.length > 0) found[subsystem] = names.sort();
    }
    return found;
  }

  /** Where a group is, whether or not it exists. @throws ERR_USAGE for what cannot be a name, ERR_CONFIG */
  pathOf(subsystem: Subsystem, name: string): string {
    if (!NAME.test(name)) throw new G8Error('ERR_USAGE', `'${name}' is not a group's name`);
    return join(this.#folder(subsystem), name);
  }

  async has(subsystem: Subsystem, name: string): Promise<boolean> {
    return (
      (await readdir(this.pathOf(subsystem, name)).catch(ignoring('ENOENT', undefined))) !==
      undefined
    );
  }

  /** Makes a group unless it is there. @throws ERR_USAGE, ERR_CONFIG, ERR_IO */
  async ensure(subsystem: Subsystem, name: string): Promise<void> {
    const path = this.pathOf(subsystem, name);
    if (this.isUnified) await this.#ensureFolder();
    try {
      await mkdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
      throw toG8Error(error, 'ERR_IO', `Group ${subsystem}/${name} cannot be made`);
    }
    // Without these no process can enter it.
    if (subsystem === 'cpuset' && !this.isUnified) await this.reset(subsystem, name);
  }

  /** Moves the members to the root group and removes the group; one that is not there is fine. */
  async remove(subsystem: Subsystem, name: string): Promise<void> {
    const path = this.pathOf(subsystem, name);
    if (!(await this.has(subsystem, name))) return;
    for (const pid of await this.tasks(subsystem, name)) await this.#move(subsystem, pid);
    await rmdir(path).catch((error: unknown) => {
      throw toG8Error(error, 'ERR_IO', `Group ${subsystem}/${name} cannot be removed`);
    });
    // Our folder goes with the last group in it; until then the kernel refuses.
    if (this.isUnified) await rmdir(this.#folder(subsystem)).catch(ignoring('EBUSY', undefined));
  }

  /** Takes all limits away. @throws ERR_NO_INPUT */
  async reset(subsystem: Subsystem, name: string): Promise<void> {
    const path = await this.#existing(subsystem, name);
    await groupFiles(this.isUnified).reset(subsystem, path, this.#root(subsystem));
  }

  /** Ids of the processes in a group. @throws ERR_NO_INPUT */
  async tasks(subsystem: Subsystem, name: string): Promise<number[]> {
    const path = await this.#existing(subsystem, name);
    const text = await readFile(join(path, 'cgroup.procs'), 'latin1');
    return text.split('\n').filter(Boolean).map(Number);
  }

  /** @throws ERR_NO_INPUT when there is no such group or process */
  async addTask(subsystem: Subsystem, name: string, pid: number): Promise<void> {
    await moveInto(await this.#existing(subsystem, name), pid);
  }

  /** Moves a process to the root group. @throws ERR_NO_INPUT when it is not in the group */
  async removeTask(subsystem: Subsystem, name: string, pid: number): Promise<void> {
    if (!(await this.tasks(subsystem, name)).includes(pid)) {
      throw new G8Error('ERR_NO_INPUT', `Process ${pid} is not in group ${subsystem}/${name}`);
    }
    await this.#move(subsystem, pid);
  }

  /** Sets the limits unless `mem` is 0. @returns what then holds @throws ERR_NO_INPUT, ERR_USAGE */
  async memory(name: string, { mem, swap }: MemorySpec): Promise<MemorySpec> {
    const path = await this.#existing('memory', name);
    for (const bytes of [mem, swap]) {
      if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes < UNLIMITED) continue;
      throw new G8Error('ERR_USAGE', `${bytes} is not a number of bytes`);
    }
    const files = groupFiles(this.isUnified);
    if (mem !== 0) await files.setMemory(path, { mem, swap });
    return await files.memory(path);
  }

  /** Sets what is given. @returns what then holds @throws ERR_NO_INPUT, ERR_USAGE */
  async cpuset(name: string, spec: Partial<CpusetSpec>): Promise<CpusetSpec> {
    const path = await this.#existing('cpuset', name);
    for (const [file, value] of [
      ['cpuset.cpus', spec.cpus],
      ['cpuset.mems', spec.mems],
    ] as const) {
      if (value === undefined) continue;
      if (!/^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/.test(value)) {
        throw new G8Error('ERR_USAGE', `'${value}' is not a list such as 0-1,4`);
      }
      await writeFile(join(path, file), value).catch((error: unknown) => {
        throw new G8Error('ERR_USAGE', `${file} cannot be ${value}`, { cause: error });
      });
    }
    const read = async (file: string): Promise<string> =>
      (await readFile(join(path, file), 'latin1')).trim();
    return { cpus: await read('cpuset.cpus'), mems: await read('cpuset.mems') };
  }

  async #move(subsystem: Subsystem, pid: number): Promise<void> {
    await moveInto(this.#root(subsystem), pid).catch((error: unknown) => {
      // It has ended, and so left the group by itself.
      if (!(error instanceof G8Error && error.code === 'ERR_NO_INPUT')) throw error;
    });
  }

  async #existing(subsystem: Subsystem, name: string): Promise<string> {
    if (await this.has(subsystem, name)) return this.pathOf(subsystem, name);
    throw new G8Error('ERR_NO_INPUT', `There is no group ${subsystem}/${name}`);
  }

  /** Folder of the groups of a subsystem. */
  #folder(subsystem: Subsystem): string {
    const root = this.#root(subsystem);
    return this.isUnified ? join(root, UNIFIED_FOLDER) : root;
  }

  /** @throws ERR_CONFIG */
  #root(subsystem: Subsystem): string {
    const mount = this.#find(subsystem);
    if (mount !== undefined) return mount.mountPoint;
    throw new G8Error('ERR_CONFIG', `This host has no control groups of ${subsystem}`);
  }

  #find(subsystem: Subsystem): MountEntry | undefined {
    return this.#mounts.find(({ type, superOptions }) =>
      this.isUnified
        ? type === 'cgroup2'
        : type === 'cgroup' && superOptions.split(',').includes(subsystem),
    );
  }

  /** Version 2: the folder of ours, with the controllers handed down to it that the host has. */
  async #ensureFolder(): Promise<void> {
    const folder = this.#folder('memory');
    try {
      await handDown(this.#root('memory'));
      await mkdir(folder).catch(ignoring('EEXIST', undefined));
      await handDown(folder);
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `Group ${folder} cannot be made`);
    }
  }
}

async function handDown(folder: string): Promise<void> {
  const there = (await readFile(join(folder, 'cgroup.controllers'), 'latin1')).trim().split(' ');
  const wanted = CONTROLLERS.filter((name) => there.includes(name)).map((name) => `+${name}`);
  if (wanted.length > 0) await writeFile(join(folder, 'cgroup.subtree_control'), wanted.join(' '));
}

async function moveInto(folder: string, pid: number): Promise<void> {
  if (!Number.isInteger(pid) || pid < 1) throw new G8Error('ERR_USAGE', `${pid} is no process`);
  try {
    await writeFile(join(folder, 'cgroup.procs'), String(pid));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
      throw new G8Error('ERR_NO_INPUT', `There is no process ${pid}`, { cause: error });
    }
    throw toG8Error(error, 'ERR_IO', `Process ${pid} cannot be moved`);
  }
}

/** For `catch`: a value in the place of one error. */
function ignoring<T>(code: string, value: T): (error: unknown) => T {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === code) return value;
    throw error;
  };
}
