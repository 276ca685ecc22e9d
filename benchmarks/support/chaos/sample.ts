/** What one generation of a daemon holds, and what all of them together have left so far. */
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { registryDir } from '../../../src/base/paths.ts';
import type { CacheStatus } from '../../../src/cache/status.ts';
import { connectDaemon } from '../../../src/fs/client.ts';
import { type MountEntry, readMountinfo } from '../../../src/fs/mountinfo.ts';
import { listDaemons } from '../../../src/fs/registry.ts';
import { residentMiB, run } from '../../harness.ts';

/** Sizes in MiB. */
export interface Sample {
  readonly seconds: number;
  readonly daemonRss: number;
  /** The part of it that is no file. */
  readonly daemonAnonymous: number;
  readonly daemonHeap: number;
  readonly daemonFds: number;
  readonly daemonThreads: number;
  readonly keeperRss: number;
  readonly keeperFds: number;
  readonly keeperThreads: number;
  /** FUSE connections that this run has made and that the kernel still has. */
  readonly connections: number;
  /** Mounts of any kind below the folder. */
  readonly mounts: number;
  /** Contents in the cache. */
  readonly cache: number;
  /** LevelDB. */
  readonly state: number;
  /** Files and folders in the run folders of cache and machine. */
  readonly runFiles: number;
  /** Temporary files, trash and what was set aside. */
  readonly leftFiles: number;
  readonly log: number;
  readonly sharedMemoryFiles: number;
}

/** What must be 0 in every generation. */
const COUNTERS = ['g8ufs_deadlines_missed_total', 'g8ufs_fuse_errors_total'];

export class Sampler {
  readonly #dir: string;
  readonly #cache: string;
  readonly #fusectl: string;
  readonly #start = performance.now();
  readonly #connections = new Set<string>();

  private constructor(dir: string, cache: string, fusectl: string) {
    this.#dir = dir;
    this.#cache = cache;
    this.#fusectl = fusectl;
  }

  /** @param dir holds everything of the run; @param fusectl an empty folder in it */
  static async with<T>(
    { dir, cache, fusectl }: Readonly<Record<'dir' | 'cache' | 'fusectl', string>>,
    work: (sampler: Sampler) => Promise<T>,
  ): Promise<T> {
    await run('mount', ['-t', 'fusectl', 'fusectl', fusectl]);
    try {
      return await work(new Sampler(dir, cache, fusectl));
    } finally {
      await run('umount', [fusectl]);
    }
  }

  /** Remembers the connections of what is mounted now: what stays of them when it is gone has leaked. */
  note(): void {
    for (const entry of readMountinfo()) {
      const isFuse = /^fuse(\.|blk|$)/.test(entry.type);
      if (isFuse && entry.mountPoint.startsWith(`${this.#dir}/`)) {
        this.#connections.add(minorOf(entry));
      }
    }
  }

  /** Connections of this run that are there, and mounts below its folder. */
  left(): { connections: number; mounts: number } {
    const there = new Set(readdirSync(this.#fusectl));
    const isOurs = (path: string): boolean => path.startsWith(`${this.#dir}/`);
    const all = readMountinfo();
    // The kernel gives a number again that was free: what has gone since, or is mounted elsewhere, is another's.
    const others = all.filter(({ mountPoint }) => !isOurs(mountPoint)).map(minorOf);
    for (const id of this.#connections) {
      if (!there.has(id) || others.includes(id)) this.#connections.delete(id);
    }
    const mounts = all.filter(
      ({ mountPoint }) => isOurs(mountPoint) && mountPoint !== this.#fusectl,
    );
    return { connections: this.#connections.size, mounts: mounts.length };
  }

  /**
   * @param pid of the daemon
   * @throws when the daemon does not answer, or tells of anything wrong
   */
  async take(pid: number): Promise<Sample> {
    const [status, metrics] = await this.#ask();
    for (const name of COUNTERS) {
      if (metrics.get(name) !== 0) throw new Error(`${name} is ${metrics.get(name)}`);
    }
    const { corruptChunks, corruptFiles, keptCorrupt, degraded } = status;
    if (corruptChunks + corruptFiles + keptCorrupt > 0 || degraded !== null) {
      throw new Error(`The cache: ${JSON.stringify({ corruptChunks, corruptFiles, degraded })}`);
    }
    const keeper = await this.keeper();
    const [memory, keeperMemory] = [await residentMiB(pid), await residentMiB(keeper)];
    this.note();
    return {
      seconds: Math.round((performance.now() - this.#start) / 1000),
      daemonRss: memory.total,
      daemonAnonymous: memory.anonymous,
      daemonHeap: (metrics.get('g8ufs_js_heap_bytes') ?? Number.NaN) / 2 ** 20,
      daemonFds: descriptors(pid).length,
      daemonThreads: readdirSync(`/proc/${pid}/task`).length,
      keeperRss: keeperMemory.total,
      keeperFds: descriptors(keeper).length,
      keeperThreads: readdirSync(`/proc/${keeper}/task`).length,
      ...this.left(),
      cache: status.bytes / 2 ** 20,
      state: sizeOf(join(this.#cache, 'state')) / 2 ** 20,
      runFiles: this.#runFiles(),
      leftFiles: ['tmp', 'trash', 'quarantine', 'corrupt'].flatMap((name) =>
        filesOf(join(this.#cache, name)),
      ).length,
      log: sizeOf(join(this.#cache, 'run/daemon.log')) / 2 ** 20,
      sharedMemoryFiles: filesOf('/dev/shm').length,
    };
  }

  async keeper(): Promise<number> {
    const records = await listDaemons(registryDir(process.env, process.getuid?.() ?? 0));
    const keeper = records.find(({ cacheDir }) => cacheDir === this.#cache)?.keeper;
    if (keeper === undefined) throw new Error('The daemon has no keeper');
    return keeper;
  }

  /** Not deeper: there are mounts below. */
  #runFiles(): number {
    const run = join(this.#cache, 'run');
    const folders = ['.', 'lower', 'metadata'].map((name) => join(run, name));
    return [...folders, registryDir(process.env, process.getuid?.() ?? 0)]
      .map((path) => (existsSync(path) ? readdirSync(path).length : 0))
      .reduce((sum, count) => sum + count);
  }

  async #ask(): Promise<[CacheStatus, Map<string, number>]> {
    const client = await connectDaemon(this.#cache);
    if (client === undefined) throw new Error('The daemon does not answer');
    try {
      const status = await client.request<CacheStatus>('cache.status', {});
      const text = await client.request<string>('metrics', {});
      const lines = [...text.matchAll(/^(\w+) (\S+)$/gm)];
      return [status, new Map(lines.map(([, name = '', value]) => [name, Number(value)]))];
    } finally {
      client.close();
    }
  }
}

/** By which the kernel names a connection. */
function minorOf({ device }: MountEntry): string {
  return device.split(':')[1] ?? '';
}

function descriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) !== '';
    } catch {
      // Closed since.
      return false;
    }
  });
}

/** Paths of all files below a folder. */
function filesOf(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    // Not made yet, or something went while it was listed.
    return [];
  }
}

/** Bytes of a file, or of all below a folder. */
function sizeOf(path: string): number {
  const files = statSync(path, { throwIfNoEntry: false })?.isFile() ? [path] : filesOf(path);
  return files.reduce(
    (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
