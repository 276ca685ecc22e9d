/**
 * The kernel tier beside overlayfs over the same tree on ext4, both writable, all contents complete in the
 * cache. Every figure is a ratio of times of one round; rounds alternate between the subjects. _Fresh_ and
 * _warm_ as in `data-plane`. A run that costs the daemon a FUSE request fails. Also what a mount
 * costs the daemon, from request to answer, for trees of different sizes, and what the metadata image
 * costs that the first mount of an image writes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { command, median, run, type SuiteOptions, withFolder } from '../harness.ts';
import { type DataPlaneTree, dataPlaneTree, SMALL_FILES } from '../support/data-plane-tree.ts';
import { Mounts } from '../support/mounts.ts';
import { buildWorkload, runWorkload } from '../support/workload.ts';
import { debianRoot } from './debian-root.bench.ts';

const ROUNDS = 5;
const ROUNDS_QUICK = 3;
const WARM_RUNS = 3;
const MOUNTS = 20;
/** Entries of the trees that are mounted to see whether their size matters. */
const TREE_SIZES = [1_000, 300_000];
const MOUNT_MS_TARGET = 20;

interface Row {
  readonly name: string;
  readonly id: string;
  readonly args: (tree: string) => string[];
  readonly fresh: number | null;
  readonly warm: number | null;
  /** Reads names and attributes only: the base forgets them before each fresh run. */
  readonly names?: boolean;
}

const ROWS: readonly Row[] = [
  {
    name: 'stat walk',
    id: 'stat',
    args: (tree) => ['stat', join(tree, 'root')],
    fresh: 1.5,
    warm: 1.5,
    names: true,
  },
  {
    name: 'readdir of all directories',
    id: 'readdir',
    args: (tree) => ['readdir', join(tree, 'root')],
    fresh: 1.2,
    warm: 1.2,
    names: true,
  },
  {
    name: 'read every file',
    id: 'readall',
    args: (tree) => ['readall', join(tree, 'root')],
    fresh: 1.8,
    warm: 1.5,
  },
  {
    name: 'open and close 10 000 files',
    id: 'open',
    args: (tree) => ['openclose', join(tree, 'small'), String(SMALL_FILES)],
    fresh: null,
    warm: 1.5,
  },
  {
    name: 'sequential 1 GiB',
    id: 'sequential',
    args: (tree) => ['sequential', join(tree, 'big')],
    fresh: 1.1,
    warm: 1.1,
  },
  {
    name: 'random 4 KiB, queue 1',
    id: 'random1',
    args: (tree) => ['random', join(tree, 'big'), '1'],
    fresh: 1.1,
    warm: 1.1,
  },
  {
    name: 'random 4 KiB, queue 8',
    id: 'random8',
    args: (tree) => ['random', join(tree, 'big'), '8'],
    fresh: 1.1,
    warm: 1.1,
  },
];
const MOUNT_ROW = 'mount';

interface Line {
  readonly workload: string;
  readonly state: 'fresh' | 'warm';
  /** Of the time on overlayfs over ext4. */
  readonly ratio: { readonly median: number; readonly low: number; readonly high: number };
  readonly milliseconds: number;
  readonly baseMilliseconds: number;
  readonly target: number | null;
}

export async function runSuite({ quick, only }: SuiteOptions): Promise<Record<string, unknown>> {
  const rows = ROWS.filter(({ id }) => only === undefined || only === id);
  if (rows.length === 0 && only !== MOUNT_ROW) {
    throw new Error(
      `No row ${only}; there are ${[...ROWS.map(({ id }) => id), MOUNT_ROW].join(', ')}`,
    );
  }
  await buildWorkload();
  const tree = await dataPlaneTree(await debianRoot());
  return withFolder((dir) =>
    Mounts.with(tree.cacheDir, dir, async (mounts) => {
      await fillCache(mounts, tree);
      const lines: Line[] = [];
      for (const row of rows) lines.push(...(await measureRow(mounts, tree, row, quick)));
      const times = only === undefined || only === MOUNT_ROW ? await mountTimes(mounts, dir) : [];
      const text = [...lines.map(lineText), ...times.map(mountText)].join('\n');
      return { kernel: release(), lines, mounts: times, text };
    }),
  );
}

/** Afterwards everything is complete in the cache; the mount stays and keeps the daemon. */
async function fillCache(mounts: Mounts, tree: DataPlaneTree): Promise<void> {
  const mount = await mounts.mount(tree.flist, 'passthrough', [tree.store]);
  for (const folder of [mount, tree.folder]) await runWorkload(1, ['readall', folder]);
  const { partialFiles } = await mounts.status();
  if (partialFiles > 0) throw new Error(`${partialFiles} files are not complete in the cache`);
}

async function measureRow(
  mounts: Mounts,
  tree: DataPlaneTree,
  row: Row,
  quick: boolean,
): Promise<Line[]> {
  const times = { base: { fresh: [], warm: [] }, kernel: { fresh: [], warm: [] } } as Record<
    'base' | 'kernel',
    Record<Line['state'], number[]>
  >;
  const measure = async (subject: 'base' | 'kernel', mount: string): Promise<void> => {
    if (row.names === true && subject === 'base') writeFileSync('/proc/sys/vm/drop_caches', '2');
    const [fresh, ...warm] = await runWorkload(1 + WARM_RUNS, row.args(mount));
    times[subject].fresh.push(fresh as number);
    times[subject].warm.push(median(warm));
  };
  for (let round = 0; round < (quick ? ROUNDS_QUICK : ROUNDS); round++) {
    const mark = mounts.mark;
    await measure('base', await mounts.overlay(await mounts.bind(tree.folder)));
    await mounts.releaseTo(mark);
    const mount = await mounts.mountKernel(tree.flist, [tree.store]);
    const before = await mounts.requests(mount);
    await measure('kernel', mount);
    const asked = (await mounts.requests(mount)) - before;
    if (asked > 0) throw new Error(`${row.name} cost ${asked} FUSE requests`);
    await mounts.releaseTo(mark);
  }
  return (['fresh', 'warm'] as const).map((state) => {
    const base = times.base[state];
    const ratios = times.kernel[state].map((time, round) => time / (base[round] as number));
    return {
      workload: row.name,
      state,
      ratio: { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) },
      milliseconds: median(times.kernel[state]),
      baseMilliseconds: median(base),
      target: row[state],
    };
  });
}

interface MountTimes {
  readonly entries: number;
  /** First mount of the image without its metadata image, and with it. */
  readonly metadataMilliseconds: number;
  readonly milliseconds: number;
  readonly worst: number;
}

async function mountTimes(mounts: Mounts, dir: string): Promise<MountTimes[]> {
  const times: MountTimes[] = [];
  for (const entries of TREE_SIZES) {
    const flist = await treeOf(join(dir, `tree-${entries}`), entries);
    const mark = mounts.mark;
    // Unpacks it.
    await mounts.mount(flist, 'auto', []);
    const mountOnce = async (): Promise<number> => {
      const start = process.hrtime.bigint();
      const inner = mounts.mark;
      await mounts.mountKernel(flist, []);
      const taken = Number(process.hrtime.bigint() - start) / 1e6;
      await mounts.releaseTo(inner);
      return taken;
    };
    const metadataMilliseconds = await mountOnce();
    const taken: number[] = [];
    for (let i = 0; i < MOUNTS; i++) taken.push(await mountOnce());
    const milliseconds = median(taken);
    times.push({ entries, metadataMilliseconds, milliseconds, worst: Math.max(...taken) });
    await mounts.releaseTo(mark);
  }
  return times;
}

/** A flist of empty files, a hundred entries for each folder. */
async function treeOf(folder: string, entries: number): Promise<string> {
  for (let i = 0; i * 100 < entries; i++) {
    const inner = join(folder, String(i));
    mkdirSync(inner, { recursive: true });
    for (let j = 0; j < 99; j++) writeFileSync(join(inner, String(j)), '');
  }
  const flist = `${folder}.flist`;
  const store = `dir://${folder}.chunks`;
  await run(...command('flist', 'create', folder, flist, '--store', store, '--json'));
  return flist;
}

function lineText({ workload, state, ratio, milliseconds, target }: Line): string {
  const met = target !== null && Number(ratio.median.toFixed(2)) <= target;
  return [
    `${workload}, ${state}`.padEnd(36),
    ratio.median.toFixed(2).padStart(6),
    `(${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`.padEnd(18),
    `${milliseconds.toFixed(1)} ms`.padStart(12),
    target === null ? '' : ` ${met ? 'met   ' : 'MISSED'} <= ${target}`,
  ].join(' ');
}

function mountText({ entries, metadataMilliseconds, milliseconds, worst }: MountTimes): string {
  const verdict = milliseconds <= MOUNT_MS_TARGET ? 'met   ' : 'MISSED';
  return [
    `mount of ${entries} entries`.padEnd(36),
    `${milliseconds.toFixed(1)} ms`.padStart(10),
    `(worst ${worst.toFixed(1)}; first, with its metadata image, ${metadataMilliseconds.toFixed(0)})`,
    ` ${verdict} <= ${MOUNT_MS_TARGET}`,
  ].join(' ');
}
