/**
 * Containers. Needs root, runc, catatonit; `run` also podman, umoci, skopeo and docker-registry, `many` a Redis
 * server (Debian's redis-tools).
 *
 * Workloads: `run`: from nothing to a line that python3 prints in a container, and once more with what is then local, by
 * `core run` and by podman (pull and run, then run), in turns, everything on loopback. `many`: 50 containers of 5 images on
 * one core daemon, made 8 at a time, each used, all ended, three times: seconds of each create, memory, and what is left.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../src/base/deadline.ts';
import { podman } from '../compare/podman.ts';
import { withRegistry } from '../compare/registry.ts';
import { command, g8ufs, run, type SuiteOptions, spread, withFolder, withHub } from '../harness.ts';
import { manyContainers } from '../support/many-containers.ts';
import { SlowLink } from '../support/slow-link.ts';
import { debianRoot } from './debian-root.bench.ts';

const ROUNDS = 5;
const DAEMON_END_MS = 30_000;
const PROGRAM = ['python3', '-c', 'import json,sqlite3,ssl; print(1)'];
const LOOPBACK = { roundTripMs: 0, bitsPerSecond: Number.POSITIVE_INFINITY };

export async function runSuite({ quick, only }: SuiteOptions): Promise<Record<string, unknown>> {
  const rows: Record<string, unknown> = {};
  if (only === undefined || only === 'run') Object.assign(rows, await runOne(quick ? 1 : ROUNDS));
  if (only === undefined || only === 'many') {
    const size = quick ? { count: 10, images: 2, rounds: 2 } : { count: 50, images: 5, rounds: 3 };
    Object.assign(rows, await withFolder((dir) => manyContainers(dir, size)));
  }
  return rows;
}

interface Start {
  readonly seconds: number;
  readonly megabytes: number;
  readonly requests: number;
}

/** A first start, and the next one with what that has left. */
type Starts = readonly [cold: Start, warm: Start];

async function runOne(rounds: number): Promise<Record<string, unknown>> {
  const tree = await debianRoot();
  return await withFolder((served) =>
    withHub(join(served, 'hub'), (hub) =>
      withRegistry(served, async (registry) => {
        const flist = join(served, 'root.flist');
        const store = `dir://${join(served, 'hub/chunks')}`;
        await run(...command('flist', 'create', tree, flist, '--store', store, '--json'));
        await g8ufs('push', flist, `${hub}/bench/root`);
        await podman.prepare(tree, served, { files: '', hub, registry });
        const samples = { g8ufs: [] as Starts[], podman: [] as Starts[] };
        for (let round = 0; round < rounds; round++) {
          samples.g8ufs.push(await startTwice(hub, byCoreRun));
          samples.podman.push(await startTwice(registry, byPodman));
        }
        return rowsOf(samples);
      }),
    ),
  );
}

/** Prepares what is needed for a start, and gives the command line of it. */
type Starter = (
  server: string,
  dir: string,
) => Promise<{
  start: () => Promise<void>;
  end: () => Promise<void>;
}>;

async function startTwice(server: string, starter: Starter): Promise<Starts> {
  const link = await SlowLink.open(server, LOOPBACK);
  try {
    return await withFolder(async (dir) => {
      const measure = async <T>(work: () => Promise<T>): Promise<[T, Start]> => {
        const begin = performance.now();
        const result = await work();
        const seconds = (performance.now() - begin) / 1000;
        const { bytes, requests } = link.take();
        return [result, { seconds, megabytes: bytes / 1e6, requests }];
      };
      const [{ start, end }, cold] = await measure(async () => {
        const started = await starter(link.url, dir);
        await started.start();
        return started;
      });
      try {
        const [, warm] = await measure(start);
        return [cold, warm];
      } finally {
        await end();
      }
    });
  } finally {
    await link.close();
  }
}

const byCoreRun: Starter = async (hub, dir) => ({
  start: async () => {
    const own = ['--cache', join(dir, 'cache'), '--state', join(dir, 'state')];
    const words = [...own, '--network', 'none', `${hub}/bench/root.flist`, ...PROGRAM];
    const [program, args] = command('core', 'run', ...words);
    // As users have it: the mount daemon of the first start is there for the second.
    await run('env', ['-u', 'G8UFS_LINGER', program, ...args]);
  },
  end: () => endDaemon(join(dir, 'cache')),
});

async function endDaemon(cache: string): Promise<void> {
  const pid = Number(readFileSync(join(cache, 'lock'), 'utf8'));
  process.kill(pid, 'SIGTERM');
  const deadline = performance.now() + DAEMON_END_MS;
  while (existsSync(`/proc/${pid}`)) {
    if (performance.now() > deadline) throw new Error(`Mount daemon ${pid} does not end`);
    await sleep(20);
  }
}

const byPodman: Starter = async (registry, dir) => {
  const root = await podman.up({ files: '', hub: '', registry }, dir, dir);
  return {
    start: async () => {
      await run(...root.inRoot(PROGRAM));
    },
    end: root.down,
  };
};

function rowsOf(samples: Readonly<Record<'g8ufs' | 'podman', readonly Starts[]>>) {
  const rows: Record<string, unknown> = {};
  const names = { g8ufs: 'core run', podman: 'podman' };
  for (const [index, kind] of (['cold', 'warm'] as const).entries()) {
    const secondsOf = (who: 'g8ufs' | 'podman') =>
      samples[who].map((starts) => (starts[index] as Start).seconds);
    for (const who of ['g8ufs', 'podman'] as const) {
      const starts = samples[who].map((all) => all[index] as Start);
      rows[`${names[who]}, ${kind}, s`] = spread(secondsOf(who), 2);
      rows[`${names[who]}, ${kind}, MB`] = spread(starts.map(({ megabytes }) => megabytes));
      rows[`${names[who]}, ${kind}, requests`] = spread(
        starts.map(({ requests }) => requests),
        0,
      );
    }
    const ratios = secondsOf('g8ufs').map((s, round) => s / (secondsOf('podman')[round] as number));
    rows[`core run / podman, ${kind}`] = spread(ratios, 2);
  }
  return rows;
}
