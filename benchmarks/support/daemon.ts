/**
 * A mount daemon under watch: mounts and unmounts over its socket, several at a time, and reads what it and
 * the kernel hold for it.
 */
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { CacheStatus } from '../../src/cache/status.ts';
import { daemonCommand } from '../../src/cli/early-daemon.ts';
import { connectOrStartDaemon } from '../../src/fs/client.ts';
import type { MountRequest } from '../../src/fs/mount-record.ts';
import { readMountinfo } from '../../src/fs/mountinfo.ts';
import { residentMiB } from '../harness.ts';

const DEADLINE_MS = 60_000;
const REQUEST_TIMEOUT_MS = 120_000;

/** What a daemon holds at one moment. Sizes in MiB. */
export interface Held {
  readonly rss: number;
  /** The part of `rss` that is no file. */
  readonly anonymous: number;
  /** JavaScript's heap. */
  readonly heap: number;
  /** Contents on disk. */
  readonly cache: number;
  readonly threads: number;
  readonly fds: number;
  /** Descriptors of the FUSE device among `fds`. */
  readonly fuseFds: number;
  /** FUSE mounts below the folder, as the kernel counts them. */
  readonly mounts: number;
}

type Client = Awaited<ReturnType<typeof connectOrStartDaemon>>;

export class WatchedDaemon {
  readonly pid: number;
  readonly #client: Client;
  readonly #dir: string;
  #count = 0;

  private constructor(client: Client, cacheDir: string, dir: string) {
    this.#client = client;
    this.#dir = dir;
    this.pid = Number(readFileSync(join(cacheDir, 'lock'), 'utf8'));
  }

  /**
   * @param cacheDir its daemon is started, and has ended when the result settles
   * @param dir an empty folder for mount points
   * @param flags of the daemon
   */
  static async with<T>(
    { cacheDir, dir, flags = [] }: { cacheDir: string; dir: string; flags?: readonly string[] },
    work: (daemon: WatchedDaemon) => Promise<T>,
  ): Promise<T> {
    const client = await connectOrStartDaemon(daemonCommand(cacheDir, flags));
    const daemon = new WatchedDaemon(client, cacheDir, dir);
    try {
      return await work(daemon);
    } finally {
      client.close();
      try {
        process.kill(daemon.pid, 'SIGTERM');
      } catch {
        // It ends by itself when its last mount is gone.
      }
      await processGone(daemon.pid);
    }
  }

  /** Mounts a flist; the mount point. */
  async mount(source: string, store: string): Promise<string> {
    const mountPoint = join(this.#dir, String(this.#count++));
    mkdirSync(mountPoint);
    const request: MountRequest = {
      source,
      stores: [store],
      mountPoint,
      openMode: 'auto',
      tier: 'fuse',
      driver: 'native',
      deadlineMs: DEADLINE_MS,
      allowOther: true,
    };
    await this.#client.request('mount', request, REQUEST_TIMEOUT_MS);
    return mountPoint;
  }

  /** Rejects when the mount is busy. */
  async unmount(mountPoint: string): Promise<void> {
    await this.#client.request('unmount', { mountPoint, lazy: false }, REQUEST_TIMEOUT_MS);
    rmdirSync(mountPoint);
  }

  cacheStatus(): Promise<CacheStatus> {
    return this.#client.request('cache.status', {});
  }

  /** Values of its metrics by their names, those without labels. */
  async metrics(): Promise<Map<string, number>> {
    const text = await this.#client.request<string>('metrics', {});
    const lines = [...text.matchAll(/^(\w+) (\S+)$/gm)];
    return new Map(lines.map(([, name = '', value]) => [name, Number(value)]));
  }

  async held(): Promise<Held> {
    const [memory, metrics, { bytes }, links, threads] = await Promise.all([
      residentMiB(this.pid),
      this.metrics(),
      this.cacheStatus(),
      this.#descriptors(),
      readdir(`/proc/${this.pid}/task`),
    ]);
    const mounts = readMountinfo().filter(
      ({ type, mountPoint }) => type.startsWith('fuse') && mountPoint.startsWith(`${this.#dir}/`),
    );
    return {
      rss: memory.total,
      anonymous: memory.anonymous,
      heap: (metrics.get('g8ufs_js_heap_bytes') ?? Number.NaN) / 2 ** 20,
      cache: bytes / 2 ** 20,
      threads: threads.length,
      fds: links.length,
      fuseFds: links.filter((link) => link === '/dev/fuse').length,
      mounts: mounts.length,
    };
  }

  async #descriptors(): Promise<string[]> {
    const folder = `/proc/${this.pid}/fd`;
    const links = await Promise.all(
      // One may be closed before it is looked at.
      (await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => undefined)),
    );
    return links.filter((link) => link !== undefined);
  }
}

/** Resolves when a process that is no child of ours has ended. */
async function processGone(pid: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    if (state === undefined || /\) Z /.test(state)) return;
    if (performance.now() > deadline) throw new Error(`Process ${pid} does not end`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
