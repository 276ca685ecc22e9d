/**
 * Cached contents against the same tree on ext4, and overlayfs above both: the table of what local-disk
 * speed means. Every figure is a ratio of times of one round; rounds alternate between all subjects.
 *
 * _Fresh_: first run on a new mount, everything else (cache files, mount index, daemon) warm and in the page
 * cache. ext4 has no new mount: for the rows that only read names and attributes the kernel drops
 * its names and inodes before (drop_caches 2), the others are compared with ext4 as warm as can be. _Warm_: the next
 * runs on that mount. Each open mode is a subject of its own.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { join } from 'node:path';
import { median, type SuiteOptions, withFolder } from '../harness.ts';
import { type DataPlaneTree, dataPlaneTree, SMALL_FILES } from '../support/data-plane-tree.ts';
import { Mounts } from '../support/mounts.ts';
import { buildWorkload, cachedBytes, runWorkload } from '../support/workload.ts';
import { debianRoot } from './debian-root.bench.ts';

// Loaded once in the life of a daemon, five seconds after its first mount: in the middle of one row or the other.
process.env['G8UFS_STANDBY'] = 'off';

const ROUNDS = 5;
const ROUNDS_QUICK = 2;
/** Runs on each mount after the first; their median counts. */
const WARM_RUNS = 3;
const PYTHON = ['/usr/bin/python3', '-c', 'import json,argparse,asyncio'];
const OVERLAY_TARGET = 1.3;
const SHARED_PAGES_TARGET = 0.02;

const MODES = ['passthrough', 'none'] as const;
type Mode = (typeof MODES)[number];
type State = 'fresh' | 'warm';

interface Row {
  readonly name: string;
  /** Words for `--only`. */
  readonly id: string;
  readonly args: (tree: string) => string[];
  readonly targets: Partial<Record<State, number | Readonly<Record<Mode, number>>>>;
  /** Reads names and attributes only, see above. */
  readonly names?: boolean;
}

const ROWS: readonly Row[] = [
  {
    name: 'stat walk',
    id: 'stat',
    args: (tree) => ['stat', join(tree, 'root')],
    targets: { fresh: 1.6, warm: 1.0 },
    names: true,
  },
  {
    name: 'readdir of all directories',
    id: 'readdir',
    args: (tree) => ['readdir', join(tree, 'root')],
    targets: { fresh: 3.5, warm: 0.8 },
    names: true,
  },
  {
    name: 'read every file',
    id: 'readall',
    args: (tree) => ['readall', join(tree, 'root')],
    targets: { fresh: 3.0, warm: 1.5 },
  },
  {
    name: 'sequential 1 GiB',
    id: 'sequential',
    args: (tree) => ['sequential', join(tree, 'big')],
    targets: { fresh: 1.05, warm: 1.05 },
  },
  {
    name: 'random 4 KiB, queue 1',
    id: 'random1',
    args: (tree) => ['random', join(tree, 'big'), '1'],
    targets: { fresh: 1.1, warm: 1.1 },
  },
  {
    name: 'random 4 KiB, queue 8',
    id: 'random8',
    args: (tree) => ['random', join(tree, 'big'), '8'],
    targets: { fresh: 1.1, warm: 1.1 },
  },
  {
    name: 'mmap 1 GiB',
    id: 'mmap',
    args: (tree) => ['mmap', join(tree, 'big')],
    targets: { fresh: 1.1, warm: 1.1 },
  },
  {
    name: 'interpreter start',
    id: 'python',
    args: (tree) => ['exec', join(tree, 'root'), ...PYTHON],
    targets: { fresh: 1.1, warm: 1.05 },
  },
  {
    name: 'open and close 10 000 files',
    id: 'open',
    args: (tree) => ['openclose', join(tree, 'small'), String(SMALL_FILES)],
    targets: { warm: { passthrough: 6, none: 1.2 } },
  },
];
const OVERLAY = 'overlay';
const SHARED = 'pages';

interface Line {
  readonly workload: string;
  readonly state: State;
  readonly subject: string;
  /** Of the time on ext4, or on overlayfs over ext4. */
  readonly ratio: { readonly median: number; readonly low: number; readonly high: number };
  readonly milliseconds: number;
  readonly baseMilliseconds: number;
  readonly target: number | null;
  readonly met: boolean | null;
}

export async function runSuite({ quick, only }: SuiteOptions): Promise<Record<string, unknown>> {
  const rows = ROWS.filter(({ id }) => only === undefined || only === OVERLAY || only === id);
  if (rows.length === 0 && only !== SHARED) {
    const ids = [...ROWS.map(({ id }) => id), OVERLAY, SHARED];
    throw new Error(`No row ${only}; there are ${ids.join(', ')}`);
  }
  await buildWorkload();
  const tree = await dataPlaneTree(await debianRoot());
  process.env['PYTHONDONTWRITEBYTECODE'] = '1';
  return withFolder((dir) =>
    Mounts.with(tree.cacheDir, dir, async (mounts) => {
      await fillCache(mounts, tree);
      const lines: Line[] = [];
      for (const row of rows) {
        lines.push(...(await measureRow(mounts, tree, row, quick, only !== OVERLAY)));
      }
      const pages = only === undefined || only === SHARED ? await sharedPages(mounts, tree) : [];
      return {
        cores: availableParallelism(),
        kernel: release(),
        lines,
        extraPageCache: pages,
        text: [...lines.map(lineText), ...pages.map(pagesText)].join('\n'),
      };
    }),
  );
}

/** Reads everything once: afterwards it is complete in the cache, and cache and tree are in the page cache. */
async function fillCache(mounts: Mounts, tree: DataPlaneTree): Promise<void> {
  // Stays until the end and keeps the daemon.
  const mount = await mounts.mount(tree.flist, 'passthrough', [tree.store]);
  for (const folder of [mount, tree.folder]) await runWorkload(1, ['readall', folder]);
  const { partialFiles } = await mounts.status();
  if (partialFiles > 0) throw new Error(`${partialFiles} files are not complete in the cache`);
}

interface Times {
  readonly fresh: number[];
  readonly warm: number[];
}

async function measureRow(
  mounts: Mounts,
  tree: DataPlaneTree,
  row: Row,
  quick: boolean,
  withPlain: boolean,
): Promise<Line[]> {
  const subjects = new Map<string, () => Promise<string>>([
    ['ext4', () => mounts.bind(tree.folder)],
    ...MODES.map((mode) => [mode, () => mounts.mount(tree.flist, mode, [tree.store])] as const),
  ]);
  const times = new Map<string, Times>();
  const measure = async (name: string, mount: string): Promise<void> => {
    if (row.names === true && name.includes('ext4')) dropNames();
    const [fresh, ...warm] = await runWorkload(1 + WARM_RUNS, row.args(mount));
    const taken = times.get(name) ?? { fresh: [], warm: [] };
    taken.fresh.push(fresh as number);
    taken.warm.push(median(warm));
    times.set(name, taken);
  };
  for (let round = 0; round < (quick ? ROUNDS_QUICK : ROUNDS); round++) {
    for (const [name, make] of subjects) {
      const mark = mounts.mark;
      if (withPlain) await measure(name, await make());
      await mounts.releaseTo(mark);
      await measure(`overlay on ${name}`, await mounts.overlay(await make()));
      await mounts.releaseTo(mark);
    }
  }
  const lines = [...times].flatMap(([name, taken]) => linesOf(row, name, taken, times));
  return lines.sort((a, b) => Number(isOverlay(a.subject)) - Number(isOverlay(b.subject)));
}

/** The kernel forgets names and inodes; what files hold stays. */
function dropNames(): void {
  writeFileSync('/proc/sys/vm/drop_caches', '2');
}

function linesOf(row: Row, name: string, taken: Times, all: Map<string, Times>): Line[] {
  if (name.endsWith('ext4')) return [];
  const base = all.get(isOverlay(name) ? 'overlay on ext4' : 'ext4') as Times;
  return (['fresh', 'warm'] as const).map((state) => {
    const ratios = taken[state].map((time, round) => time / (base[state][round] as number));
    const target = isOverlay(name) ? OVERLAY_TARGET : targetOf(row, state, name as Mode);
    const middle = median(ratios);
    return {
      workload: row.name,
      state,
      subject: name,
      ratio: { median: middle, low: Math.min(...ratios), high: Math.max(...ratios) },
      milliseconds: median(taken[state]),
      baseMilliseconds: median(base[state]),
      target,
      met: target === null ? null : Number(middle.toFixed(2)) <= target,
    };
  });
}

function isOverlay(subject: string): boolean {
  return subject.startsWith('overlay');
}

function targetOf(row: Row, state: State, mode: Mode): number | null {
  const target = row.targets[state];
  if (target === undefined) return null;
  return typeof target === 'number' ? target : target[mode];
}

interface Pages {
  readonly mode: Mode;
  readonly bytes: number;
  readonly extraBytes: number;
  readonly share: number;
}

/** What the page cache holds twice when a second image with the same files is read as well. */
async function sharedPages(mounts: Mounts, tree: DataPlaneTree): Promise<Pages[]> {
  const pages: Pages[] = [];
  for (const mode of MODES) {
    const mark = mounts.mark;
    const first = await mounts.mount(tree.flist, mode, [tree.store]);
    const second = await mounts.mount(tree.second, mode, [tree.store]);
    await runWorkload(1, ['readall', join(first, 'root')]);
    await runWorkload(1, ['readall', second]);
    const bytes = await cachedBytes(join(tree.folder, 'root'));
    const extraBytes = await cachedBytes(second);
    pages.push({ mode, bytes, extraBytes, share: extraBytes / bytes });
    await mounts.releaseTo(mark);
  }
  return pages;
}

function lineText({ workload, state, subject, ratio, milliseconds, target, met }: Line): string {
  const spread = `(${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`;
  const verdict = target === null ? '' : `${met ? 'met   ' : 'MISSED'} <= ${target}`;
  return [
    `${workload}, ${state}`.padEnd(36),
    subject.padEnd(24),
    ratio.median.toFixed(2).padStart(6),
    spread.padEnd(18),
    `${milliseconds.toFixed(1)} ms`.padStart(12),
    ` ${verdict}`,
  ].join(' ');
}

function pagesText({ mode, extraBytes, share }: Pages): string {
  const verdict = `${share <= SHARED_PAGES_TARGET ? 'met   ' : 'MISSED'} <= ${SHARED_PAGES_TARGET}`;
  const size = `${(extraBytes / 1e6).toFixed(1)} MB`;
  return `${'second image: extra page cache'.padEnd(36)} ${mode.padEnd(24)} ${share.toFixed(3).padStart(6)} ${size.padStart(31)}  ${verdict}`;
}
