/** The files of one control group, which the two versions of the kernel's interface name differently. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error } from '../../base/errors.ts';

export const SUBSYSTEMS = ['cpuset', 'memory', 'devices'] as const;
export type Subsystem = (typeof SUBSYSTEMS)[number];

export interface MemorySpec {
  /** Bytes. */
  readonly mem: number;
  /** Bytes besides those. */
  readonly swap: number;
}

/** What version 1 tells of a group without a limit: the highest page below 2^63. */
export const UNLIMITED = 2 ** 63 - 4096;

export interface GroupFiles {
  /** Takes all limits of a subsystem away. @param root the group above all others */
  reset(subsystem: Subsystem, path: string, root: string): Promise<void>;
  setMemory(path: string, spec: MemorySpec): Promise<void>;
  memory(path: string): Promise<MemorySpec>;
}

/** @param isUnified version 2 */
export function groupFiles(isUnified: boolean): GroupFiles {
  return isUnified ? UNIFIED : LEGACY;
}

const LIMIT = 'memory.limit_in_bytes';
/** Memory and swap together. Absent when the kernel does not count swap. */
const TOTAL = 'memory.memsw.limit_in_bytes';

const LEGACY: GroupFiles = {
  reset: async (subsystem, path, root) => {
    if (subsystem === 'devices') await write(path, 'devices.allow', 'a');
    if (subsystem === 'memory') {
      if (existsSync(join(path, TOTAL))) await write(path, TOTAL, '-1');
      await write(path, LIMIT, '-1');
    }
    if (subsystem !== 'cpuset') return;
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      await write(path, file, await read(root, file));
    }
  },

  setMemory: async (path, { mem, swap }) => {
    const total = mem + swap;
    if (!existsSync(join(path, TOTAL))) {
      await write(path, LIMIT, String(mem));
      return;
    }
    // At no moment may the limit be above the total.
    const isRaised = total > Number(await read(path, TOTAL));
    const steps: [string, number][] = [
      [LIMIT, mem],
      [TOTAL, total],
    ];
    for (const [file, bytes] of isRaised ? steps.reverse() : steps) {
      await write(path, file, String(bytes));
    }
  },

  memory: async (path) => {
    const mem = Number(await read(path, LIMIT));
    if (!existsSync(join(path, TOTAL))) return { mem, swap: 0 };
    return { mem, swap: Math.max(0, Number(await read(path, TOTAL)) - mem) };
  },
};

const UNIFIED: GroupFiles = {
  reset: async (subsystem, path) => {
    if (subsystem === 'memory') {
      await write(path, 'memory.max', 'max');
      if (existsSync(join(path, 'memory.swap.max'))) await write(path, 'memory.swap.max', 'max');
    }
    if (subsystem !== 'cpuset') return;
    // Empty: as the group above.
    await write(path, 'cpuset.cpus', '\n');
    await write(path, 'cpuset.mems', '\n');
  },

  setMemory: async (path, { mem, swap }) => {
    await write(path, 'memory.max', String(mem));
    if (existsSync(join(path, 'memory.swap.max'))) {
      await write(path, 'memory.swap.max', String(swap));
    }
  },

  memory: async (path) => {
    const bytes = async (file: string): Promise<number> => {
      if (!existsSync(join(path, file))) return 0;
      const text = await read(path, file);
      return text === 'max' ? UNLIMITED : Number(text);
    };
    return { mem: await bytes('memory.max'), swap: await bytes('memory.swap.max') };
  },
};

async function read(path: string, file: string): Promise<string> {
  return (await readFile(join(path, file), 'latin1')).trim();
}

/** @throws ERR_USAGE, because what the kernel refuses is a value */
async function write(path: string, file: string, value: string): Promise<void> {
  try {
    await writeFile(join(path, file), value);
  } catch (error) {
    throw new G8Error('ERR_USAGE', `${file} cannot be ${value.trim()}`, { cause: error });
  }
}
