/**
 * A cache on a disk that is far too small, on one that fails, and on one that answers nobody for a while: every file of a tree is read through a mount
 * by four processes at a time and compared. Needs root, loop devices, g++ and mkfs.ext4.
 *
 * `--only small`, `--only failing` or `--only hanging` runs one of them. A wrong byte or a failed read ends it with an error; only where the kernel
 * reads by itself and the disk fails now and then, failed reads are counted.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FaultyDisk } from '../../test/support/faulty-disk.ts';
import { g8ufs, run, type SuiteOptions, withFolder, withHub } from '../harness.ts';
import { type Compared, compareTree, makeTree, PARTS } from '../support/disk-world.ts';
import { hangDisk } from '../support/hanging-disk.ts';

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
/** The disk gave the file's beginning a moment ago. */
const UNFORESEEN = 'every 20th read fails, open mode passthrough';

// The disk is taken away as soon as the last mount is.
process.env['G8UFS_LINGER'] = '0s';

export async function runSuite({ quick, only }: SuiteOptions): Promise<Record<string, unknown>> {
  const result: Record<string, unknown> = {};
  const bad: string[] = [];
  const note = (name: string, bytes: number, compared: Compared, more: object): void => {
    const { wrong, failed, seconds, lines } = compared;
    const speed = Math.round(bytes / MIB / seconds);
    result[name] = { wrong, failed, MiB: Math.round(bytes / MIB), 'MiB/s': speed, ...more };
    if (wrong > 0 || (failed > 0 && name !== UNFORESEEN)) {
      bad.push(`${name}: ${lines.join('; ')}`);
    }
  };
  const cases = { small, failing, hanging };
  for (const [name, work] of Object.entries(cases)) {
    if (only === undefined || only === name) await withFolder((dir) => work(dir, quick, note));
  }
  if (bad.length > 0) throw new Error(bad.join('\n'));
  return result;
}

type Note = (name: string, bytes: number, compared: Compared, more: object) => void;

interface Image {
  readonly source: string;
  readonly flist: string;
  readonly bytes: number;
}

/** A tree of these sizes on a hub. */
async function withImage(
  dir: string,
  sizes: readonly number[],
  work: (image: Image) => Promise<void>,
): Promise<void> {
  const source = join(dir, 'source');
  const bytes = makeTree(source, sizes);
  await withHub(join(dir, 'hub'), async (url) => {
    const flist = join(dir, 'image.flist');
    await g8ufs('flist', 'create', source, flist, '--store', url);
    await work({ source, flist, bytes });
  });
}

async function withDisk(dir: string, work: (disk: FaultyDisk) => Promise<void>): Promise<void> {
  const folder = join(dir, 'faulty');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const disk = await FaultyDisk.make(folder, DISK_BYTES);
  try {
    await work(disk);
  } finally {
    await disk.close();
  }
}

/** Mounts with a cache on the disk; its daemon has ended when this resolves. */
async function withMount(
  dir: string,
  disk: FaultyDisk,
  flist: string,
  openMode: 'passthrough' | 'none',
  work: (mnt: string, status: () => Promise<Record<string, number>>) => Promise<void>,
  more: readonly string[] = [],
): Promise<void> {
  const cache = join(disk.dir, 'cache');
  const mnt = join(dir, 'mnt');
  mkdirSync(mnt, { recursive: true });
  await g8ufs('mount', flist, mnt, '--cache', cache, '--open-mode', openMode, ...more);
  try {
    await work(mnt, () => g8ufs<Record<string, number>>('cache', 'status', '--cache', cache));
  } finally {
    await g8ufs('umount', mnt, '--lazy');
    const end = performance.now() + 30_000;
    while (existsSync(join(cache, 'run/control.sock')) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function small(dir: string, quick: boolean, note: Note): Promise<void> {
  const total = quick ? 192 : 1024;
  // One file that is larger than the disk, files of many blocks, and small ones.
  const sizes = [96 * MIB];
  for (let left = total - 96; left > 0; left -= 4) {
    sizes.push(2 * MIB, 1 * MIB, 512 * 1024, ...Array.from({ length: 32 }, () => 16 * 1024));
  }
  await withImage(dir, sizes, async ({ source, flist, bytes }) => {
    await withDisk(dir, async (disk) => {
      await withMount(dir, disk, flist, 'passthrough', async (mnt, status) => {
        for (const round of ['first', 'second']) {
          const before = await status();
          const compared = await compareTree(source, mnt);
          const after = await status();
          const since = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
          note(`disk of 64 MiB, ${round} read`, bytes, compared, {
            files: sizes.length,
            evicted: since('evictedFiles'),
            'evicted MiB': Math.round(since('evictedBytes') / MIB),
            'from memory MiB': Math.round(since('lentBytes') / MIB),
            'fetched MiB': Math.round(since('fetchedBytes') / MIB),
          });
        }
      });
    });
  });
}

/** The daemon looks into the kernel's log every second. */
const NOTICE_MS = 1500;

/** Faults of one after the other, each with a disk and a cache of its own: what is broken once stays so. */
const FAULTS = [
  { name: 'every 50th write fails', write: 50, read: 0 },
  { name: 'every write fails', write: 1, read: 0 },
  { name: 'every 20th read fails', write: 0, read: 20 },
  { name: 'every read fails', write: 0, read: 1 },
  { name: 'nothing works', write: 1, read: 1 },
] as const;

async function failing(dir: string, quick: boolean, note: Note): Promise<void> {
  const sizes = [8 * MIB, 3 * MIB];
  const count = quick ? 60 : 200;
  for (let i = 0; i < count; i++) sizes.push(1 + ((i * 7919) % 200_000));
  await withImage(dir, sizes, async ({ source, flist, bytes }) => {
    for (const openMode of ['none', 'passthrough'] as const) {
      for (const fault of FAULTS) {
        await withDisk(dir, async (disk) => {
          await withMount(dir, disk, flist, openMode, async (mnt, status) => {
            // Half of it is in the cache, and on the disk, when that begins to fail.
            await compareTree(source, mnt, PARTS / 2);
            await run('sync', ['-f', disk.dir]);
            const before = await disk.counts();
            await disk.failWrites(fault.write);
            await disk.failReads(fault.read);
            writeFileSync('/proc/sys/vm/drop_caches', '3');
            const compared = await compareTree(source, mnt);
            // What was written meanwhile meets the disk, and the kernel's log the daemon.
            await run('sync', ['-f', disk.dir]).catch(() => {});
            await new Promise((resolve) => setTimeout(resolve, NOTICE_MS));
            writeFileSync('/proc/sys/vm/drop_caches', '3');
            const again = await compareTree(source, mnt);
            const counts = await disk.counts();
            const { lentBytes, degraded, suspect, corruptFiles } = await status();
            await disk.failWrites(0);
            await disk.failReads(0);
            const merged = {
              ...compared,
              wrong: compared.wrong + again.wrong,
              failed: compared.failed + again.failed,
              seconds: compared.seconds + again.seconds,
              lines: [...compared.lines, ...again.lines],
            };
            note(`${fault.name}, open mode ${openMode}`, 2 * bytes, merged, {
              'failed in the second read': again.failed,
              'disk reads failed': counts.failedReads - before.failedReads,
              'disk writes failed': counts.failedWrites - before.failedWrites,
              'from memory MiB': Math.round((lentBytes ?? 0) / MIB),
              degraded,
              suspect,
              'set aside': corruptFiles,
            });
          });
        });
      }
    }
  });
}

/** A read waits for so long, then it fails. */
const HANG_DEADLINE = '8s';
const HANGS = [
  [12_000, 'data'],
  [60_000, 'data'],
  [12_000, 'everything'],
] as const;

async function hanging(dir: string, quick: boolean, note: Note): Promise<void> {
  const sizes = Array.from({ length: 96 }, (_, i) => 20_000 + ((i * 7919) % 200_000));
  await withImage(dir, sizes, async ({ source, flist, bytes }) => {
    const names = sizes.map((_, i) => join(`part-${i % PARTS}`, `file-${i}`));
    // In no order of theirs, so that nothing is read ahead.
    const shuffled = names.map((_, i) => names[(i * 35) % names.length] as string);
    const present = shuffled.slice(0, names.length / 2);
    for (const openMode of ['none', 'passthrough'] as const) {
      for (const [hangMs, forgets] of quick ? HANGS.slice(0, 1) : HANGS) {
        await withDisk(dir, async (disk) => {
          const work = async (mnt: string): Promise<void> => {
            for (const name of present) await run('cmp', [join(source, name), join(mnt, name)]);
            await run('sync', ['-f', disk.dir]);
            const { row, after } = await hangDisk({
              ...{ disk, source, mnt, hangMs, forgets, cache: join(disk.dir, 'cache') },
              present,
              missing: shuffled.slice(names.length / 2),
            });
            const what = `no answer for ${hangMs / 1000} s, ${forgets} not in memory`;
            note(`${what}, open mode ${openMode}`, bytes, after, row);
          };
          await withMount(dir, disk, flist, openMode, work, [
            '--deadline',
            HANG_DEADLINE,
            '--prefetch',
            'none',
          ]);
        });
      }
    }
  });
}
