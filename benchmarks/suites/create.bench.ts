/**
 * `flist create` to a directory store beside `tar | zstd -3`, `mksquashfs -comp zstd` and `casync make`, on
 * one tree in one run: 200 000 files with 2 GiB (src/cli/selftest/sample-tree.ts).
 *
 * Workloads: `create` from nothing; `again` with 1 % of the files changed, to the store that has the rest,
 * with and without `--parent`, beside a second `casync make` to its store. The tree is in the page cache.
 * Tools take turns within a round. A tool that is not installed is left out with a line. The tree is made
 * once, below /var/tmp. What the tools write stays until the end: ext4 steps over the inodes that were freed
 * in the last minutes one by one, so each file that is made soon after a deletion pays for it.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateTree } from '../../src/cli/selftest/sample-tree.ts';
import {
  command,
  g8ufs,
  type Measured,
  measured,
  median,
  run,
  type SuiteOptions,
  spread,
  withFolder,
} from '../harness.ts';

const FILES = 200_000;
const FILES_QUICK = 10_000;
const ROUNDS = 3;
const PLACE = process.env['G8UFS_CREATE_TREE'] ?? '/var/tmp/g8ufs-create-tree';
/** The format of the tree; another one is made when this changes. */
const TREE_VERSION = 1;

interface Created {
  readonly entries: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly uploadedBytes: number;
  readonly rootDigest: string;
}

interface Tool {
  readonly name: string;
  /** Programs that it needs, with the Debian package of each. */
  readonly needs: readonly (readonly [program: string, debianPackage: string])[];
  /** Command line; `out` is an empty folder. */
  readonly line: (tree: string, out: string) => [string, string[]];
}

const OTHERS: readonly Tool[] = [
  {
    name: 'tar | zstd -3',
    needs: [['zstd', 'zstd']],
    line: (tree, out) => [
      'sh',
      ['-c', 'tar -C "$0" -cf - . | zstd -3 -q -o "$1"', tree, join(out, 'tree.tar.zst')],
    ],
  },
  {
    name: 'mksquashfs zstd 3',
    needs: [['mksquashfs', 'squashfs-tools']],
    line: (tree, out) => [
      'mksquashfs',
      [
        tree,
        join(out, 'tree.sqfs'),
        '-comp',
        'zstd',
        '-Xcompression-level',
        '3',
        '-no-progress',
        '-quiet',
      ],
    ],
  },
  {
    name: 'casync make',
    needs: [['casync', 'casync']],
    line: casyncLine,
  },
];

export async function runSuite({ quick }: SuiteOptions): Promise<Record<string, unknown>> {
  const tree = preparedTree(quick ? FILES_QUICK : FILES);
  const rounds = Number(process.env['G8UFS_CREATE_ROUNDS'] ?? (quick ? 1 : ROUNDS));
  const tools = OTHERS.filter(isInstalled);
  const hasParent = (await run(...command('flist', 'create', '--help'))).includes('--parent');
  if (!hasParent) console.log('flist create has no --parent: that workload is left out');
  // Reading once brings the tree into the page cache.
  await run('sh', ['-c', 'tar -C "$0" -cf - . | wc -c', tree.root]);
  return withFolder(async (out) => ({
    ...(await createAll(tree, tools, rounds, out)),
    ...(await createAgain(tree, tools, rounds, hasParent, join(out, 'again'))),
  }));
}

function preparedTree(fileCount: number): CreateTree {
  const root = `${PLACE}-${TREE_VERSION}-${fileCount}`;
  const stamp = `${root}.bytes`;
  const tree = new CreateTree(root, fileCount);
  if (existsSync(stamp)) return tree;
  console.log(`Making ${fileCount} files in ${root}`);
  mkdirSync(root, { recursive: true });
  writeFileSync(stamp, String(tree.create()));
  return tree;
}

function isInstalled({ name, needs }: Tool): boolean {
  const missing = needs.find(
    ([program]) => !['/usr/bin', '/bin'].some((folder) => existsSync(join(folder, program))),
  );
  if (missing !== undefined) console.log(`${name} is left out: apt-get install ${missing[1]}`);
  return missing === undefined;
}

/** Everything from nothing, each tool in each round. */
async function createAll(
  tree: CreateTree,
  tools: readonly Tool[],
  rounds: number,
  outputs: string,
): Promise<Record<string, unknown>> {
  const all: readonly Tool[] = [{ name: 'g8ufs', needs: [], line: g8ufsLine }, ...tools];
  const runs = new Map<string, Measured[]>(all.map(({ name }) => [name, []]));
  const sizes = new Map<string, number>();
  let created: Created | undefined;
  for (let round = 0; round < rounds; round++) {
    for (const { name, line } of all) {
      const out = join(outputs, `${round}-${name.split(' ')[0]}`);
      mkdirSync(out);
      await run('sync', []);
      const result = await measured(...line(tree.root, out));
      runs.get(name)?.push(result);
      if (name === 'g8ufs') created = JSON.parse(result.stdout) as Created;
      sizes.set(name, await sizeOf(out));
    }
  }
  const { entries, bytes, rootDigest } = created as Created;
  const base = median((runs.get('g8ufs') as Measured[]).map(({ seconds }) => seconds));
  const rows = all.map(({ name }) => {
    const results = runs.get(name) as Measured[];
    const seconds = results.map((result) => result.seconds);
    const row = {
      seconds: spread(seconds),
      'MB/s': Math.round(bytes / median(seconds) / 1e6),
      'peak MiB': Math.round(median(results.map(({ peakMiB }) => peakMiB))),
      'output MB': Math.round((sizes.get(name) ?? 0) / 1e6),
      'time / g8ufs': round2(median(seconds) / base),
    };
    return [`create: ${name}`, row] as const;
  });
  return { entries, bytes, rootDigest, ...Object.fromEntries(rows) };
}

/** With every hundredth file changed since the last time. */
async function createAgain(
  tree: CreateTree,
  tools: readonly Tool[],
  rounds: number,
  hasParent: boolean,
  out: string,
): Promise<Record<string, unknown>> {
  const hasCasync = tools.some(({ name }) => name === 'casync make');
  const seconds = new Map<string, number[]>();
  const uploaded = new Map<string, number[]>();
  const note = (name: string, time: number, bytes: number): void => {
    seconds.set(name, [...(seconds.get(name) ?? []), time]);
    uploaded.set(name, [...(uploaded.get(name) ?? []), bytes / 1e6]);
  };
  let generation = 0;
  mkdirSync(out);
  try {
    await g8ufs('flist', 'create', tree.root, join(out, 'tree.flist'), '--store', storeOf(out));
    if (hasCasync) await run(...casyncLine(tree.root, out));
    for (let round = 0; round < rounds; round++) {
      for (const parent of hasParent ? [false, true] : [false]) {
        tree.change(7, ++generation);
        await run('sync', []);
        const [program, args] = g8ufsLine(tree.root, out);
        const flags = parent ? ['--parent', join(out, 'tree.flist')] : [];
        const result = await measured(program, [...args, ...flags]);
        const { uploadedBytes } = JSON.parse(result.stdout) as Created;
        note(parent ? 'g8ufs --parent' : 'g8ufs', result.seconds, uploadedBytes);
        if (!hasCasync) continue;
        const before = await sizeOf(join(out, 'casync'));
        const { seconds: casyncSeconds } = await measured(...casyncLine(tree.root, out));
        note('casync make', casyncSeconds, (await sizeOf(join(out, 'casync'))) - before);
      }
    }
  } finally {
    if (generation > 0) tree.change(7, 0);
  }
  const base = median(seconds.get('g8ufs') ?? []);
  const rows = [...seconds].map(([name, times]) => {
    const row = {
      seconds: spread(times),
      'uploaded MB': spread(uploaded.get(name) ?? []),
      'time / g8ufs': round2(median(times) / base),
    };
    return [`again, 1 % changed: ${name}`, row] as const;
  });
  return Object.fromEntries(rows);
}

function storeOf(out: string): string {
  return `dir://${join(out, 'chunks')}`;
}

function g8ufsLine(tree: string, out: string): [string, string[]] {
  const flist = join(out, 'tree.flist');
  return command('flist', 'create', tree, flist, '--store', storeOf(out), '--json');
}

function casyncLine(tree: string, out: string): [string, string[]] {
  return ['casync', ['make', `--store=${join(out, 'casync')}`, join(out, 'tree.caidx'), tree]];
}

/** Bytes of all files below a folder. */
async function sizeOf(folder: string): Promise<number> {
  const text = await run('du', ['-sb', '--apparent-size', folder]);
  return Number(text.split('\t')[0]);
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
