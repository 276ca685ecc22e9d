/** Whether anything that daemons hold or leave grows from generation to generation. */
import { median } from '../../harness.ts';
import type { Sample } from './sample.ts';

/** How much higher the median of the last third may be than that of the first: by a share or a number. */
interface Limit {
  readonly share?: number;
  readonly more: number;
}

/** Not named: what has its own limit (the cache), or is only told (its log). */
const LIMITS: Readonly<Partial<Record<keyof Sample, Limit>>> = {
  daemonAnonymous: { share: 0.1, more: 12 },
  daemonHeap: { share: 0.1, more: 8 },
  daemonFds: { share: 0.1, more: 10 },
  daemonThreads: { more: 2 },
  keeperRss: { more: 0.5 },
  // A container that starts meanwhile has a copy of all mounts: what is taken away may stay for some seconds more.
  keeperFds: { more: 4 },
  keeperThreads: { more: 0 },
  connections: { more: 1 },
  mounts: { more: 0 },
  state: { share: 0.5, more: 8 },
  runFiles: { more: 0 },
  leftFiles: { more: 8 },
  sharedMemoryFiles: { more: 0 },
};

export interface Change {
  /** Medians of the first and last third of the samples. */
  readonly first: number;
  readonly last: number;
  readonly max: number;
}

export function changes(samples: readonly Sample[]): Record<keyof Sample, Change> {
  const third = Math.max(1, Math.floor(samples.length / 3));
  const [sample] = samples;
  const fields = Object.keys(sample ?? {}) as (keyof Sample)[];
  const entries = fields.map((field) => {
    const values = samples.map((one) => one[field]);
    return [
      field,
      {
        first: rounded(median(values.slice(0, third))),
        last: rounded(median(values.slice(-third))),
        max: rounded(Math.max(...values)),
      },
    ] as const;
  });
  return Object.fromEntries(entries) as Record<keyof Sample, Change>;
}

/** What has grown, in words. */
export function growth(of: Readonly<Record<keyof Sample, Change>>): string[] {
  return (Object.keys(LIMITS) as (keyof Sample)[])
    .filter((field) => {
      const { share = 0, more } = LIMITS[field] as Limit;
      return of[field].last > Math.max(of[field].first * (1 + share), of[field].first + more);
    })
    .map((field) => `${field} has grown from ${of[field].first} to ${of[field].last}`);
}

const rounded = (value: number): number => Math.round(value * 100) / 100;
