/**
 * Mounts of one cache for the time of a run, straight over the daemon's socket: a new mount for each
 * measurement would otherwise cost more than what is measured. Makes and takes away in turn; not for
 * concurrent use.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { daemonCommand } from '../../src/cli/early-daemon.ts';
import { connectOrStartDaemon } from '../../src/fs/client.ts';
import type { MountRecord, MountRequest } from '../../src/fs/mount-record.ts';
import { run } from '../harness.ts';

/** A mount that was given up for a reader's last descriptor is retried so often. */
const UNMOUNT_ATTEMPTS = 50;
const UNMOUNT_RETRY_MS = 20;

type Client = Awaited<ReturnType<typeof connectOrStartDaemon>>;

export class Mounts {
  readonly #client: Client;
  readonly #dir: string;
  readonly #undo: (() => Promise<void>)[] = [];
  #count = 0;

  private constructor(client: Client, dir: string) {
    this.#client = client;
    this.#dir = dir;
  }

  /**
   * @param cacheDir its daemon ends by itself when `work` has ended
   * @param dir an empty folder for mount points, on a file system that can hold overlays' changes
   */
  static async with<T>(
    cacheDir: string,
    dir: string,
    work: (mounts: Mounts) => Promise<T>,
  ): Promise<T> {
    const mounts = new Mounts(await connectOrStartDaemon(daemonCommand(cacheDir)), dir);
    try {
      return await work(mounts);
    } finally {
      await mounts.releaseTo(0);
      mounts.#client.close();
    }
  }

  /** What {@link releaseTo} takes to undo everything made since. */
  get mark(): number {
    return this.#undo.length;
  }

  /** Mounts a flist; the mount point. */
  async mount(
    source: string,
    openMode: MountRequest['openMode'],
    stores: readonly string[],
  ): Promise<string> {
    return await this.#mount({ source, stores, openMode, tier: 'fuse' });
  }

  /** Mounts a flist in the kernel tier, with a folder of its own for changes; the mount point. */
  async mountKernel(source: string, stores: readonly string[]): Promise<string> {
    const [upper, work] = [this.#newFolder(), this.#newFolder()];
    return await this.#mount({ source, stores, openMode: 'auto', tier: 'kernel', upper, work });
  }

  async #mount(
    part: Pick<MountRequest, 'source' | 'stores' | 'openMode' | 'tier' | 'upper' | 'work'>,
  ): Promise<string> {
    const mountPoint = this.#newFolder();
    const request: MountRequest = {
      ...part,
      mountPoint,
      deadlineMs: 60_000,
      driver: 'native',
      allowOther: true,
    };
    await this.#client.request('mount', request);
    this.#undo.push(() => this.#client.request('unmount', { mountPoint, lazy: false }));
    return mountPoint;
  }

  /** FUSE requests that a mount has had; in the kernel tier all mounts together. */
  async requests(mountPoint: string): Promise<number> {
    const records = await this.#client.request<MountRecord[]>('list', {});
    const record = records.find((candidate) => candidate.mountPoint === mountPoint);
    return record?.stats['requests'] ?? Number.NaN;
  }

  /** Mounts a folder again, read-only: what is measured there cannot change it. */
  async bind(folder: string): Promise<string> {
    const mountPoint = this.#newFolder();
    await run('mount', ['--bind', '-o', 'ro', folder, mountPoint]);
    this.#undo.push(() => unmount(mountPoint));
    return mountPoint;
  }

  /** Mounts overlayfs with a folder of its own for changes above `lower`. */
  async overlay(lower: string): Promise<string> {
    const mountPoint = this.#newFolder();
    const [upper, work] = [this.#newFolder(), this.#newFolder()];
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await run('mount', ['-i', '-t', 'overlay', '-o', layers, 'g8ufs-bench', mountPoint]);
    this.#undo.push(() => unmount(mountPoint));
    return mountPoint;
  }

  /** Undoes, last first, what was made since `mark`. */
  async releaseTo(mark: number): Promise<void> {
    while (this.#undo.length > mark) await this.#undo.pop()?.();
  }

  status(): Promise<{ partialFiles: number; fetchedBytes: number }> {
    return this.#client.request('cache.status', {});
  }

  #newFolder(): string {
    const folder = join(this.#dir, String(this.#count++));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    return folder;
  }
}

async function unmount(mountPoint: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run('umount', [mountPoint]);
      return;
    } catch (error) {
      if (attempt === UNMOUNT_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, UNMOUNT_RETRY_MS));
    }
  }
}
