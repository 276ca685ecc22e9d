/** What the processes of a container use together. */
import { readFile } from 'node:fs/promises';
import { NO_USAGE, type Usage } from '../job/usage.ts';
import type { Container } from './container.ts';

const KIB = 1024;

export class ContainerUsage {
  readonly #container: Container;
  #last: { readonly cpuMs: number; readonly at: number };

  constructor(container: Container) {
    this.#container = container;
    this.#last = { cpuMs: 0, at: Date.parse(container.record.created) };
  }

  /** Processor time is percent of one processor since the last call. */
  async measure(): Promise<Usage> {
    const { cgroup } = this.#container;
    const texts = await Promise.all(
      // A process may end at any time.
      cgroup.processes().map((pid) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')),
    );
    const sum = (name: string): number =>
      texts.reduce((total, text) => total + kibibytes(text, name) * KIB, 0);
    return {
      ...NO_USAGE,
      cpu: this.#percent(cgroup.cpuMs()),
      rss: sum('VmRSS'),
      vms: sum('VmSize'),
      swap: sum('VmSwap'),
    };
  }

  #percent(cpuMs: number): number {
    const at = Date.now();
    const last = this.#last;
    this.#last = { cpuMs, at };
    return (Math.max(0, cpuMs - last.cpuMs) / Math.max(1, at - last.at)) * 100;
  }
}

function kibibytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
}
