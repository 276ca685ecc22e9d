/**
 * What processes use, out of /proc: a job is its whole process group. Every look reads the table of all
 * processes once, however many jobs are asked for.
 */
import { readdir, readFile } from 'node:fs/promises';
import { type ProcessMemory, statusMemory } from '../fact/status-memory.ts';

export interface Usage extends ProcessMemory {
  /** Percent of one processor since the last look; since its start at the first. */
  readonly cpu: number;
}

export const NO_USAGE: Usage = { cpu: 0, rss: 0, vms: 0, swap: 0 };

type Total = ProcessMemory & { readonly cpuMs: number };

/** A process group that is the job's of this id. */
export interface MeasuredGroup {
  readonly id: string;
  readonly group: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

interface Look {
  readonly group: number;
  readonly cpuMs: number;
  readonly at: number;
}

/** Linux has told user space this since 2.4, whatever the kernel's own clock is. */
const TICKS_PER_SECOND = 100;
const NOTHING: Total = { cpuMs: 0, rss: 0, vms: 0, swap: 0 };

export class UsageMeter {
  /** By job. */
  readonly #looks = new Map<string, Look>();

  /** @returns the usage of each, by its id */
  async measure(jobs: readonly MeasuredGroup[]): Promise<Map<string, Usage>> {
    const totals = await readTotals(new Set(jobs.map(({ group }) => group)));
    const at = Date.now();
    const usages = new Map<string, Usage>();
    for (const { id, group, startedAt } of jobs) {
      const { cpuMs, ...memory } = totals.get(group) ?? NOTHING;
      const known = this.#looks.get(id);
      // A job that has run again began anew.
      const last = known?.group === group ? known : { cpuMs: 0, at: startedAt };
      this.#looks.set(id, { group, cpuMs, at });
      // Members of the group that have ended took their time along.
      const cpu = (Math.max(0, cpuMs - last.cpuMs) / Math.max(1, at - last.at)) * 100;
      usages.set(id, { cpu, ...memory });
    }
    return usages;
  }

  /** To be called when the job has ended. */
  forget(id: string): void {
    this.#looks.delete(id);
  }
}

export function sumUsage(usages: Iterable<Usage>): Usage {
  let sum = NO_USAGE;
  for (const { cpu, rss, vms, swap } of usages) {
    sum = { cpu: sum.cpu + cpu, rss: sum.rss + rss, vms: sum.vms + vms, swap: sum.swap + swap };
  }
  return sum;
}

/** Of this process, its processor time on average since it began. */
export async function ownUsage(): Promise<Usage> {
  const { user, system } = process.cpuUsage();
  const elapsedUs = process.uptime() * 1e6;
  const memory = statusMemory(await readFile('/proc/self/status', 'latin1'));
  return { cpu: ((user + system) / elapsedUs) * 100, ...memory };
}

/** Sums by group. */
async function readTotals(groups: ReadonlySet<number>): Promise<Map<number, Total>> {
  const totals = new Map<number, Total>();
  const pids = groups.size === 0 ? [] : await readdir('/proc');
  await Promise.all(
    pids.map(async (pid) => {
      const found = /^\d+$/.test(pid) ? await readProcess(pid, groups) : undefined;
      if (found === undefined) return;
      const total = totals.get(found.group) ?? NOTHING;
      totals.set(found.group, {
        cpuMs: total.cpuMs + found.cpuMs,
        rss: total.rss + found.rss,
        vms: total.vms + found.vms,
        swap: total.swap + found.swap,
      });
    }),
  );
  return totals;
}

/** `undefined`: it is of no group that is asked for, or has ended meanwhile. */
async function readProcess(
  pid: string,
  groups: ReadonlySet<number>,
): Promise<(Total & { readonly group: number }) | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // Behind the name, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const group = Number(fields[2]);
    if (!groups.has(group)) return undefined;
    const ticks = Number(fields[11]) + Number(fields[12]);
    const status = await readFile(`/proc/${pid}/status`, 'latin1');
    return {
      group,
      cpuMs: (ticks * 1000) / TICKS_PER_SECOND,
      ...statusMemory(status),
    };
  } catch {
    return undefined;
  }
}
