/**
 * The power goes, again and again: what a cache's disk was sent is recorded with its flushes while daemons work, are
 * closed and are killed; then the disk is made again as it may have been at random moments, its file system is
 * mounted, and a daemon that finds another boot serves every file of the image from it. Nothing may be wrong.
 *
 * 200 moments, 12 with `--quick`; `--only xfs` on XFS instead of ext4. Needs root, loop devices, g++ and mkfs.ext4 or
 * mkfs.xfs.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { randomOf } from '../../test/support/cache-fixture.ts';
import {
  attachLoop,
  detachLoop,
  FaultyDisk,
  type FileSystem,
  mountDevice,
  unmountDir,
} from '../../test/support/faulty-disk.ts';
import { command, g8ufs, type SuiteOptions, withFolder, withHub } from '../harness.ts';
import { judge, makeTree, PARTS } from '../support/disk-world.ts';
import { applyUnflushed, LogPlayer, type LogRecord, readLog } from '../support/write-log.ts';

const execute = promisify(execFile);
const MIB = 1024 * 1024;
const POINTS = 200;
const POINTS_QUICK = 12;
const DISK_BYTES: Readonly<Record<FileSystem, number>> = {
  ext4: 128 * MIB,
  xfs: 320 * MIB,
  btrfs: 256 * MIB,
};
/** Less than the image has, so that contents are evicted and come back. */
const CACHE_SIZE = '24MiB';
/** Some seconds; as long as that only on a machine with far too much to do. */
const POINT_TIMEOUT_MS = 900_000;
/** Moments after which it says how far it is. */
const TELL_EVERY = 20;
const SEED = 20_260_801;

// The disk is taken away as soon as the last mount is.
process.env['G8UFS_LINGER'] = '0s';

export async function runSuite({ quick, only }: SuiteOptions): Promise<Record<string, unknown>> {
  const kind: FileSystem = only === 'xfs' || only === 'btrfs' ? only : 'ext4';
  return await withFolder(async (dir) => {
    const source = join(dir, 'source');
    const sizes = [5 * MIB, 3 * MIB, 2 * MIB, 2 * MIB];
    for (let i = 0; i < 300; i++) sizes.push(1 + ((i * 104_729) % 150_000));
    makeTree(source, sizes);
    return await withHub(join(dir, 'hub'), async (url) => {
      const flist = join(dir, 'image.flist');
      await g8ufs('flist', 'create', source, flist, '--store', url);
      const recorded = await record(dir, kind, flist, quick ? 4 : 16);
      const points = quick ? POINTS_QUICK : POINTS;
      return {
        'file system': kind,
        files: sizes.length,
        ...(await cutAll(dir, source, flist, recorded, points)),
      };
    });
  });
}

interface Recorded {
  readonly base: string;
  readonly log: string;
  readonly records: readonly LogRecord[];
}

/** Lets daemons work on a disk, and keeps what the disk was sent. */
async function record(
  dir: string,
  kind: FileSystem,
  flist: string,
  rounds: number,
): Promise<Recorded> {
  const folder = join(dir, 'faulty');
  mkdirSync(folder);
  const base = join(dir, 'base');
  const log = join(dir, 'log');
  const disk = await FaultyDisk.make(folder, DISK_BYTES[kind], { kind, log, keep: base });
  const cache = join(disk.dir, 'cache');
  const random = randomOf(SEED);
  try {
    for (let round = 0; round < rounds; round++) {
      const mnt = join(dir, `mnt-${round}`);
      mkdirSync(mnt);
      await g8ufs('mount', flist, mnt, '--cache', cache, '--cache-size', CACHE_SIZE);
      const readers = Array.from({ length: PARTS }, (_, part) => {
        const some = `find ${mnt}/part-${part} -type f | awk 'BEGIN{srand(${round * 7 + part})} rand()<0.4' | xargs cat >/dev/null`;
        return ended(spawn('sh', ['-c', some], { stdio: 'ignore', cwd: '/' }));
      });
      if (random() < 0.4) {
        await new Promise((resolve) => setTimeout(resolve, 300 + random() * 1500));
        process.kill(await daemonPid(cache), 'SIGKILL');
      }
      await Promise.all(readers);
      // A clean end syncs; one that was killed leaves that to the next.
      await g8ufs('umount', mnt, '--lazy');
    }
    await disk.counts();
  } finally {
    await disk.close();
  }
  return { base, log, records: readLog(log) };
}

async function daemonPid(cache: string): Promise<number> {
  return Number(await execute('cat', [join(cache, 'lock')]).then(({ stdout }) => stdout));
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('close', () => resolve()));
}

interface Point {
  readonly wrong: number;
  readonly failed: number;
  readonly rejected: number;
  readonly local: number;
  readonly lines: readonly string[];
}

async function cutAll(
  dir: string,
  source: string,
  flist: string,
  { base, log, records }: Recorded,
  count: number,
): Promise<Record<string, unknown>> {
  const random = randomOf(SEED + 1);
  const stable = join(dir, 'stable');
  copySparse(base, stable);
  const player = new LogPlayer(log, stable);
  const moments = Array.from({ length: count }, () => Math.floor(random() * records.length)).sort(
    (a, b) => a - b,
  );
  const sums = { wrong: 0, failed: 0, rejected: 0, local: 0, unmountable: 0 };
  const lines: string[] = [];
  let applied = 0;
  try {
    for (const [index, moment] of moments.entries()) {
      if (index > 0 && index % TELL_EVERY === 0) {
        process.stderr.write(`${index} of ${count} moments: ${JSON.stringify(sums)}\n`);
      }
      const flushed = lastFlush(records, moment);
      for (; applied < flushed; applied++) player.apply(records[applied] as LogRecord);
      const cut = join(dir, 'cut');
      copySparse(stable, cut);
      const loose = new LogPlayer(log, cut);
      applyUnflushed(loose, records.slice(flushed, moment), random);
      loose.close();
      const point = await serveFrom(dir, cut, source, flist);
      if (point === undefined) {
        sums.unmountable++;
        continue;
      }
      sums.wrong += point.wrong;
      sums.failed += point.failed;
      sums.rejected += point.rejected;
      sums.local += point.local;
      lines.push(...point.lines);
    }
  } finally {
    player.close();
  }
  if (sums.wrong + sums.failed > 0)
    throw new Error(`After a power cut: ${lines.slice(0, 5).join('; ')}`);
  const flushes = records.filter(({ offset }) => offset < 0).length;
  return {
    moments: count,
    'writes recorded': records.length - flushes,
    flushes,
    'wrong files': sums.wrong,
    'failed files': sums.failed,
    'damaged contents found and dropped': sums.rejected,
    'contents still local, in all': sums.local,
    'file systems that did not mount': sums.unmountable,
  };
}

/** Records before this one are on the disk for certain. */
function lastFlush(records: readonly LogRecord[], moment: number): number {
  for (let index = moment - 1; index >= 0; index--) {
    if ((records[index] as LogRecord).offset < 0) return index + 1;
  }
  return 0;
}

function copySparse(from: string, to: string): void {
  rmSync(to, { force: true });
  execFileSync('cp', ['--sparse=always', '--reflink=auto', from, to]);
}

/** Serves the image from a disk as the power cut left it; undefined when there is no file system any more. */
async function serveFrom(
  dir: string,
  cut: string,
  source: string,
  flist: string,
): Promise<Point | undefined> {
  const fs = join(dir, 'cut-fs');
  const mnt = join(dir, 'cut-mnt');
  for (const folder of [fs, mnt]) mkdirSync(folder, { recursive: true });
  const device = attachLoop(cut);
  try {
    try {
      mountDevice(device, fs);
    } catch {
      return undefined;
    }
    try {
      return await serve(dir, join(fs, 'cache'), mnt, source, flist);
    } finally {
      unmountDir(fs);
    }
  } finally {
    detachLoop(device);
  }
}

/** In a mount namespace of its own, where this is another boot of the machine. */
async function serve(
  dir: string,
  cache: string,
  mnt: string,
  source: string,
  flist: string,
): Promise<Point> {
  const boot = join(dir, 'boot-id');
  writeFileSync(boot, 'ffffffff-0000-4000-8000-000000000001\n');
  const [node, cli] = command();
  const script = join(dir, 'serve.sh');
  const g8ufsIn = (...args: string[]): string =>
    [node, ...cli, ...args].map((arg) => `'${arg}'`).join(' ');
  writeFileSync(
    script,
    [
      'set -u',
      `mount --bind '${boot}' /proc/sys/kernel/random/boot_id`,
      `${g8ufsIn('mount', flist, mnt, '--cache', cache, '--cache-size', '1GiB')} >&2 || { echo 'mount failed'; exit 0; }`,
      ...Array.from(
        { length: PARTS },
        (_, part) => `diff -r -q '${source}/part-${part}' '${mnt}/part-${part}' 2>&1`,
      ),
      `echo STATUS; ${g8ufsIn('cache', 'status', '--cache', cache, '--json')}`,
      `${g8ufsIn('umount', mnt)} >&2`,
      // The daemon ends by itself, and then the disk can be taken away.
      `i=0; while [ -S '${cache}/run/control.sock' ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done`,
    ].join('\n'),
  );
  const { stdout } = await execute('unshare', ['-m', 'sh', script], {
    maxBuffer: 1 << 24,
    timeout: POINT_TIMEOUT_MS,
    cwd: '/',
  });
  const [text = '', json = '{}'] = stdout.split('STATUS\n');
  const status = JSON.parse(json.slice(0, json.lastIndexOf('}') + 1) || '{}') as Record<
    string,
    number
  >;
  const { rejectedFiles = 0, rejectedBlocks = 0, corruptFiles = 0, hits = 0 } = status;
  return { ...judge(text), rejected: rejectedFiles + rejectedBlocks + corruptFiles, local: hits };
}
