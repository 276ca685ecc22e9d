/**
 * What a start profile is worth on a slow line: `python3` with a few modules from a Debian root, on an empty cache,
 * over 200 Mbit/s with round trips of 1 and of 50 ms, with and without a profile. The line is a proxy; it makes each
 * connection pay a round trip to open, but knows no slow start.
 *
 * Figures: seconds from the mount command to the program's end and of the program alone, what they rise by in round
 * trips, requests and bytes.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  command,
  g8ufs,
  median,
  type SuiteOptions,
  spread,
  timed,
  withFolder,
  withHub,
} from '../harness.ts';
import { SlowLink } from '../support/slow-link.ts';
import { debianRoot } from './debian-root.bench.ts';

const PYTHON = ['python3', '-c', 'import json,argparse,asyncio'];
const ROUND_TRIPS_MS = [1, 50] as const;
const BITS_PER_SECOND = 200e6;
const ROUNDS = 3;

type Mode = 'none' | 'profile';

interface Run {
  readonly start: number;
  readonly whole: number;
  readonly requests: number;
  readonly bytes: number;
}

export async function runSuite({ quick }: SuiteOptions): Promise<Record<string, unknown>> {
  const rounds = quick ? 1 : ROUNDS;
  const root = await debianRoot();
  return await withFolder((dir) =>
    withHub(join(dir, 'hub'), async (hub) => {
      const target = `${hub}/bench/debian`;
      const flist = join(dir, 'debian.flist');
      // A directory is named in no flist: the mount asks the hub that it has come from, over the line.
      await g8ufs('flist', 'create', root, flist, '--store', `dir://${join(dir, 'hub/chunks')}`);
      await g8ufs('push', flist, target);
      const { touched } = await record(dir, flist, `${target}.flist`, target);
      const result: Record<string, unknown> = { touched };
      for (const mode of ['none', 'profile'] as const) {
        Object.assign(result, await measure(dir, hub, mode, rounds));
      }
      return result;
    }),
  );
}

/** Publishes the profile of a start. */
async function record(dir: string, flist: string, url: string, target: string) {
  const profile = join(dir, 'start.profile');
  await onMount(dir, url, ['--record', profile], async (mnt) => {
    await timed('chroot', [mnt, ...PYTHON]);
  });
  await g8ufs('profile', 'publish', profile, target);
  const { fit } = await g8ufs<{ fit: { chunks: number; storedBytes: number } }>(
    ...['profile', 'show', profile, '--flist', flist],
  );
  return { touched: `${fit.chunks} chunks, ${mebibytes(fit.storedBytes)} MiB` };
}

async function measure(
  dir: string,
  hub: string,
  mode: Mode,
  rounds: number,
): Promise<Record<string, unknown>> {
  const result: Record<string, unknown> = {};
  const medians: { start: number; whole: number }[] = [];
  for (const roundTripMs of ROUND_TRIPS_MS) {
    const runs: Run[] = [];
    for (let i = 0; i < rounds; i++) runs.push(await once(dir, hub, mode, roundTripMs));
    const of = (field: keyof Run): number[] => runs.map((run) => run[field]);
    const name = `--prefetch ${mode}, ${roundTripMs} ms`;
    result[`${name}: start, s`] = spread(of('start'), 2);
    result[`${name}: mount and start, s`] = spread(of('whole'), 2);
    result[`${name}: requests`] = spread(of('requests'));
    result[`${name}: MiB`] = mebibytes(median(of('bytes')));
    medians.push({ start: median(of('start')), whole: median(of('whole')) });
  }
  const [near, far] = medians as [(typeof medians)[0], (typeof medians)[0]];
  const roundTrips = (slow: number, fast: number): string =>
    (((slow - fast) * 1000) / (ROUND_TRIPS_MS[1] - ROUND_TRIPS_MS[0])).toFixed(1);
  return {
    ...result,
    [`--prefetch ${mode}: round trips in a start`]: roundTrips(far.start, near.start),
    [`--prefetch ${mode}: round trips in mount and start`]: roundTrips(far.whole, near.whole),
  };
}

async function once(dir: string, hub: string, mode: Mode, roundTripMs: number): Promise<Run> {
  const link = await SlowLink.open(hub, { roundTripMs, bitsPerSecond: BITS_PER_SECOND });
  const began = performance.now();
  try {
    const options = ['--prefetch', mode];
    return await onMount(dir, `${link.url}/bench/debian.flist`, options, async (mnt) => {
      const start = (await timed('chroot', [mnt, ...PYTHON])) / 1000;
      const whole = (performance.now() - began) / 1000;
      return { start, whole, ...link.take() };
    });
  } finally {
    await link.close();
  }
}

let mountCount = 0;

/** Mounts on an empty cache, runs `work` and takes everything away. */
async function onMount<T>(
  dir: string,
  url: string,
  options: readonly string[],
  work: (mnt: string) => Promise<T>,
): Promise<T> {
  const mnt = join(dir, `mnt-${++mountCount}`);
  const cache = join(dir, `cache-${mountCount}`);
  await mkdir(mnt);
  const [program, args] = command('mount', url, mnt, '--cache', cache, ...options);
  await timed(program, args);
  try {
    return await work(mnt);
  } finally {
    await g8ufs('umount', mnt);
    await rm(cache, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
