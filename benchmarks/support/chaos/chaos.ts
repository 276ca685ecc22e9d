/**
 * Eight images on one cache that is too small for them, each under a load of its own (`../takeover/loads.ts`), while
 * the daemon is killed every 20 seconds and the hub goes away every minute or two. Each generation of the daemon has
 * one more mount, for a moment, and is looked at when it is ten seconds old.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MountRecord } from '../../../src/fs/mount-record.ts';
import { g8ufs, run } from '../../harness.ts';
import { daemonPid, kill } from '../takeover/ends.ts';
import {
  type Load,
  type LoadName,
  type Moment,
  type Watched,
  withLoads,
} from '../takeover/loads.ts';
import { makeTree } from '../takeover/tree.ts';
import { RestartedHub } from './hub.ts';
import { type Sample, Sampler } from './sample.ts';

const KILL_EVERY_MS = 20_000;
const MOUNT_AGE_MS = 3_000;
const SAMPLE_AGE_MS = 10_000;
const HUB_MS_MIN = 60_000;
const HUB_MS_MAX = 120_000;
const HUB_AWAY_MS_MAX = 4_000;
const END_TIMEOUT_MS = 60_000;
/** A hub that is started on a machine with far too much to do may take longer than the usual 30 s. */
const DEADLINE = '300s';
/** Some 40 MB for each image. */
const SIZE = { files: 120, large: 2 };
/** About a third of what is read. */
const CACHE_SIZE = '96MiB';

/** One image for each; how it is mounted beside what all have. */
const LOADS: readonly { name: string; kind: LoadName; flags: (dir: string) => string[] }[] = [
  { name: 'fio', kind: 'fio', flags: () => [] },
  { name: 'storm', kind: 'storm', flags: () => [] },
  { name: 'python', kind: 'python', flags: () => [] },
  { name: 'containers', kind: 'containers', flags: () => [] },
  { name: 'hold', kind: 'hold', flags: () => [] },
  { name: 'random', kind: 'random', flags: () => [] },
  { name: 'overlay', kind: 'overlay', flags: (dir) => ['--rw', '--upper', join(dir, 'upper')] },
  { name: 'kernel', kind: 'random', flags: () => ['--tier', 'kernel'] },
];

export interface ChaosResult {
  readonly minutes: number;
  readonly samples: readonly Sample[];
  readonly watched: Watched;
  readonly hubRestarts: number;
  /** Empty when all is well. */
  readonly errors: readonly string[];
}

interface World {
  readonly cache: string;
  readonly hub: RestartedHub;
  readonly sampler: Sampler;
  /** Image, source and a place to mount it at once more. */
  readonly images: readonly { flist: string; source: string }[];
  readonly again: string;
}

/** @param dir an empty folder on the file system that is wanted for the cache */
export async function chaos(dir: string, seconds: number): Promise<ChaosResult> {
  const cache = join(dir, 'cache');
  const [fusectl, again, own] = [join(dir, 'fusectl'), join(dir, 'again'), join(dir, 'loads')];
  for (const path of [fusectl, again, own]) mkdirSync(path);
  return await RestartedHub.with(join(dir, 'hub'), async (hub) => {
    const loads = await mountImages(dir, cache, hub.url);
    try {
      return await Sampler.with({ dir, cache, fusectl }, async (sampler) => {
        const images = loads.map(({ source }) => ({ source, flist: `${source}.flist` }));
        const world = { cache, hub, sampler, images, again };
        const run = new Chaos(world, seconds);
        const start = performance.now();
        const watched = await withLoads(own, loads, () => run.run());
        const minutes = (performance.now() - start) / 60_000;
        await run.end(loads);
        const { samples, errors } = run;
        return { minutes, samples, watched, hubRestarts: hub.restarts, errors };
      });
    } finally {
      const mounts = [again, ...loads.map(({ mountPoint }) => mountPoint)];
      // What is there no more has been taken away as it should.
      await g8ufs('umount', '--lazy', ...mounts).catch(() => {});
    }
  });
}

async function mountImages(dir: string, cache: string, url: string): Promise<Load[]> {
  const loads: Load[] = [];
  for (const { name, kind, flags } of LOADS) {
    const [source, mountPoint] = [join(dir, `image-${name}`), join(dir, `mount-${name}`)];
    mkdirSync(mountPoint);
    await makeTree(source, SIZE);
    await g8ufs('flist', 'create', source, `${source}.flist`, '--store', url);
    const size = loads.length === 0 ? ['--cache-size', CACHE_SIZE] : [];
    const common = ['--cache', cache, '--prefetch', 'none', '--deadline', DEADLINE, ...size];
    await g8ufs('mount', `${source}.flist`, mountPoint, ...common, ...flags(dir));
    loads.push({ name, kind, mountPoint, source });
  }
  return loads;
}

class Chaos {
  readonly samples: Sample[] = [];
  readonly errors: string[] = [];
  readonly #world: World;
  readonly #seconds: number;
  readonly #over = new AbortController();

  constructor(world: World, seconds: number) {
    this.#world = world;
    this.#seconds = seconds;
  }

  async run(): Promise<Moment[]> {
    const deadline = performance.now() + this.#seconds * 1000;
    const restarting = this.#restartHub();
    const moments: Moment[] = [];
    try {
      for (let generation = 0; performance.now() < deadline; generation++) {
        moments.push(await this.#live(generation));
      }
    } finally {
      this.#over.abort();
      await restarting;
    }
    return moments;
  }

  /** One life of a daemon. */
  async #live(generation: number): Promise<Moment> {
    const { cache, sampler } = this.#world;
    const pid = await daemonPid(cache);
    const start = performance.now();
    const until = (ms: number): Promise<void> =>
      delay(Math.max(0, start + ms - performance.now()), undefined);
    await until(MOUNT_AGE_MS);
    await this.#try('one more mount', () => this.#mountOnce(generation));
    await until(SAMPLE_AGE_MS);
    await this.#try('sample', async () => {
      this.samples.push(await sampler.take(pid));
    });
    await until(KILL_EVERY_MS);
    const now = await daemonPid(cache);
    if (now !== pid) this.#fail(`daemon ${pid} has ended by itself`);
    return { ms: await kill(now), early: false };
  }

  /** One image is mounted once more, read and taken away. */
  async #mountOnce(generation: number): Promise<void> {
    const { cache, images, again, sampler } = this.#world;
    const { flist, source } = images[generation % images.length] as World['images'][number];
    const common = ['--cache', cache, '--prefetch', 'none', '--deadline', DEADLINE];
    await g8ufs('mount', flist, again, ...common);
    sampler.note();
    for (const name of ['sums', `files/f${generation % SIZE.files}`, 'files/large0']) {
      await run('cmp', [join(source, name), join(again, name)]);
    }
    await g8ufs('umount', again);
  }

  async #restartHub(): Promise<void> {
    const { hub } = this.#world;
    const { signal } = this.#over;
    for (let count = 0; !signal.aborted; count++) {
      const ms = HUB_MS_MIN + Math.random() * (HUB_MS_MAX - HUB_MS_MIN);
      await delay(ms, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const how = count % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
      await this.#try('hub', () => hub.restart(how, Math.random() * HUB_AWAY_MS_MAX));
    }
  }

  /** Takes everything away, and looks whether it is. */
  async end(loads: readonly Load[]): Promise<void> {
    const { cache, sampler } = this.#world;
    await this.#try('end', async () => {
      for (const { mountPoint, quarantine } of await g8ufs<MountRecord[]>('ps')) {
        if (quarantine !== null) this.#fail(`${mountPoint}: ${quarantine.message}`);
      }
      const keeper = await sampler.keeper();
      const daemon = await daemonPid(cache);
      for (const { mountPoint } of loads) await g8ufs('umount', mountPoint);
      const deadline = performance.now() + END_TIMEOUT_MS;
      for (;;) {
        const { connections, mounts } = sampler.left();
        const processes = [keeper, daemon].filter(isThere).length;
        if (connections + mounts + processes === 0) return;
        if (performance.now() > deadline) {
          throw new Error(`left: ${JSON.stringify({ connections, mounts, processes })}`);
        }
        await delay(100);
      }
    });
  }

  async #try(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#fail(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  // Whoever watches an hour's run wants to know at once.
  #fail(message: string): void {
    const text = `${new Date().toISOString()} ${message}`;
    this.errors.push(text);
    process.stderr.write(`chaos: ${text}\n`);
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
