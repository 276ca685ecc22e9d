/**
 * Half an hour (`--minutes`; with `--quick` two) of mixed load on one daemon whose cache may have 30 % of what
 * is read (`support/soak.ts`). Anything wrong ends it with an error. Needs root, fio and python3.
 *
 * The graph of the daemon's memory goes to `build/soak.svg`; docs/soak.svg is one of these.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SuiteOptions, withFolder } from '../harness.ts';
import type { Held } from '../support/daemon.ts';
import { graph } from '../support/graph.ts';
import { type SoakResult, soak } from '../support/soak.ts';

const MINUTES = 30;
const MINUTES_QUICK = 2;
const SIZES = { fioFiles: 48, fioMiBEach: 4, smallFiles: 8000 };
/** What memory is held may move so far: by a tenth, or by what one more fetch of a large block takes. */
const GROWTH_MAX = 1.1;
const GROWTH_MIB_MAX = 12;
/** The share of the samples that count as what it comes back to. */
const LOW_SHARE = 0.1;

export async function runSuite(options: SuiteOptions): Promise<Record<string, unknown>> {
  const minutes = options.minutes ?? (options.quick ? MINUTES_QUICK : MINUTES);
  const result = await withFolder(async (dir) => {
    await mkdir(join(dir, 'mounts'));
    return await soak(dir, { seconds: minutes * 60, sizes: SIZES });
  });
  const path = join(process.cwd(), 'build/soak.svg');
  await writeFile(path, graphOf(result));
  const { samples, collected, errors, ...figures } = result;
  const [first = 0, last = Number.POSITIVE_INFINITY] = collected;
  if (errors.length > 0) throw new Error(`The soak has failed: ${errors.join('; ')}`);
  if (last > Math.max(first * GROWTH_MAX, first + GROWTH_MIB_MAX)) {
    throw new Error(`Memory has grown from ${first} to ${last} MiB; see ${path}`);
  }
  return {
    ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, rounded(value)])),
    'memory without garbage, MiB': { first: rounded(first), last: rounded(last) },
    'anonymous memory, MiB': memoryOf(samples, 'anonymous'),
    'resident memory, MiB': memoryOf(samples, 'rss'),
    'JavaScript heap, MiB': memoryOf(samples, 'heap'),
    'cache, MiB': memoryOf(samples, 'cache'),
    descriptors: memoryOf(samples, 'fds'),
    threads: memoryOf(samples, 'threads'),
    graph: path,
  };
}

/** What the first half of the time comes back to, after its first tenth, and the last half; and the highest value. */
function memoryOf(samples: readonly Held[], field: keyof Held) {
  const values = samples.map((sample) => sample[field]);
  const tenth = Math.ceil(values.length / 10);
  return {
    first: rounded(low(values.slice(tenth, 5 * tenth))) as number,
    last: rounded(low(values.slice(5 * tenth))) as number,
    max: rounded(Math.max(...values)) as number,
  };
}

/** Rounds that map files keep all of them in the cache: the peaks are theirs. */
function low(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * LOW_SHARE)] ?? Number.NaN;
}

function rounded(value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 10) / 10 : value;
}

function graphOf({ samples, minutes, workingSetMiB, limitMiB }: SoakResult): string {
  const line = (name: string, field: keyof Held) => ({
    name,
    values: samples.map((sample) => sample[field]),
  });
  const sizes = `${Math.round(workingSetMiB)} MiB read, cache limit ${Math.round(limitMiB)} MiB`;
  return graph(`Mixed load on one mount daemon: ${sizes}`, minutes, [
    {
      label: 'memory of the daemon, MiB',
      lines: [
        line('resident', 'rss'),
        line('anonymous', 'anonymous'),
        line('JavaScript heap', 'heap'),
      ],
    },
    { label: 'contents in the cache, MiB', lines: [line('cache', 'cache')] },
    {
      label: 'what it holds open',
      lines: [
        line('descriptors', 'fds'),
        line('threads', 'threads'),
        line('FUSE mounts', 'mounts'),
      ],
    },
  ]);
}
