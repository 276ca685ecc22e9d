/**
 * Does mounting depend on the size of the tree? A synthetic flist of 1 000 000 entries beside the Debian root:
 * time from command to first stat, and the daemon's memory after a walk over everything.
 *
 * Workloads: `mount` (a new daemon each time, index in the cache), `statwalk` (find over all entries).
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packTree } from '../../src/image/pack.ts';
import {
  command,
  g8ufs,
  residentMiB,
  run,
  type SuiteOptions,
  spread,
  timed,
  withFolder,
} from '../harness.ts';
import { syntheticTree } from '../synthetic-tree.ts';
import { debianRoot } from './debian-root.bench.ts';

const RUNS = 7;

export async function runSuite({ quick }: SuiteOptions): Promise<Record<string, unknown>> {
  const folders = quick ? 100 : 1000;
  const root = await debianRoot();
  return withFolder(async (dir) => {
    const debian = join(dir, 'debian.flist');
    await g8ufs('flist', 'create', root, debian, '--store', `dir://${join(dir, 'chunks')}`);
    const million = join(dir, 'million.flist');
    const started = performance.now();
    await packTree(syntheticTree(folders, 1000), million);
    return {
      entries: folders * 1001 + 1,
      'pack synthetic flist, s': Math.round((performance.now() - started) / 1000),
      ...prefixed('debian', await measure(debian, dir, 'debian')),
      ...prefixed('million', await measure(million, dir, 'million')),
    };
  });
}

async function measure(flist: string, dir: string, name: string): Promise<Record<string, unknown>> {
  const cache = join(dir, `cache-${name}`);
  const mnt = join(dir, `mnt-${name}`);
  await mkdir(mnt);
  const mountArgs = ['mount', flist, mnt, '--cache', cache];
  const [program, args] = command(...mountArgs);
  const first = await timed(program, args);
  await unmountAndWait(mnt);

  const toFirstStat: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    // With the stat in it: the command's own word is not taken for it.
    const line = `"$@" >/dev/null && stat "${mnt}/." >/dev/null`;
    toFirstStat.push(await timed('sh', ['-c', line, 'sh', program, ...args]));
    await unmountAndWait(mnt);
  }

  await run(program, args);
  const pid = await daemonOf(mnt);
  const before = await residentMiB(pid);
  const walkMs = await timed('find', [mnt, '-size', '+1000000000c']);
  const after = await residentMiB(pid);
  const peak = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
  await unmountAndWait(mnt);
  return {
    'first mount (unpacks), ms': first.toFixed(0),
    'mount to first stat, ms': spread(toFirstStat),
    'daemon RSS after mount, MiB': before.total.toFixed(1),
    'stat walk, ms': walkMs.toFixed(0),
    'daemon RSS after walk, MiB': after.total.toFixed(1),
    'of it anonymous, MiB': after.anonymous.toFixed(1),
    'daemon RSS peak, MiB': (Number(peak) / 1024).toFixed(1),
    'file descriptors': descriptors,
  };
}

/** The daemon of a mount, so that the end of both can be waited for. */
async function daemonOf(mnt: string): Promise<number> {
  const mounts = await g8ufs<{ mountPoint: string; pid: number }[]>('ps');
  const found = mounts.find((mount) => mount.mountPoint === mnt);
  if (found === undefined) throw new Error(`${mnt} is not mounted`);
  return found.pid;
}

/** Unmounts and waits for the daemon's end, so that the next mount starts one of its own. */
async function unmountAndWait(mnt: string): Promise<void> {
  const pid = await daemonOf(mnt);
  await g8ufs('umount', mnt);
  const deadline = performance.now() + 10_000;
  while (existsSync(`/proc/${pid}`) && performance.now() < deadline) await delay(10);
}

function prefixed(name: string, values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`${name}: ${key}`, value]),
  );
}
