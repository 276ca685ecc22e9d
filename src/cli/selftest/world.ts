/** What a self-test has of its own, below one folder: an image, a hub behind a door, caches, mounts. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { G8Error } from '../../base/errors.ts';
import { registryDir } from '../../base/paths.ts';
import { connectDaemon, connectOrStartDaemon } from '../../fs/client.ts';
import type { MountRecord } from '../../fs/mount-record.ts';
import { readMountinfo } from '../../fs/mountinfo.ts';
import { isAlive, listDaemons } from '../../fs/registry.ts';
import { detachLeftovers } from '../../fs/unmount.ts';
import { createHub, type Hub } from '../../hub/server.ts';
import { createFlist } from '../../image/create.ts';
import { addon } from '../../native/load.ts';
import { HubClient } from '../../store/hub-client.ts';
import { daemonCommand } from '../early-daemon.ts';
import { Door } from './door.ts';
import { CreateTree } from './sample-tree.ts';

const FILE_COUNT = 200;
/** Reads that fail do so within this: shorter than what a stall of a scenario would take otherwise. */
const DEADLINE_MS = 10_000;
const END_TIMEOUT_MS = 5_000;
const POLL_MS = 20;
const REPOSITORY = 'selftest';

/** Digests of files by their path below the root. */
export type Digests = ReadonlyMap<string, string>;

export class World {
  readonly dir: string;
  readonly hub: Hub;
  readonly door: Door;
  readonly digests: Digests;
  readonly bytes: number;
  readonly flist: string;
  #count = 0;

  private constructor(
    dir: string,
    parts: { hub: Hub; door: Door; digests: Digests; bytes: number; flist: string },
  ) {
    this.dir = dir;
    this.hub = parts.hub;
    this.door = parts.door;
    this.digests = parts.digests;
    this.bytes = parts.bytes;
    this.flist = parts.flist;
  }

  /** Makes an image, and publishes it on a hub of its own. */
  static async make(base: string, signal: AbortSignal): Promise<World> {
    const dir = await mkdtemp(join(base, 'g8ufs-selftest-'));
    let hub: Hub | undefined;
    let door: Door | undefined;
    try {
      const source = join(dir, 'source');
      const bytes = new CreateTree(source, FILE_COUNT).create();
      const native = addon();
      hub = await createHub({
        dataDir: join(dir, 'hub'),
        logger: false,
        fsync: false,
        addon: native,
        digest: (data, length) => native.blake2b(data, length),
      });
      door = await Door.open(hub.url);
      const client = new HubClient(hub.url);
      try {
        const output = join(dir, 'image.flist');
        await createFlist({ source, output, store: client.chunks, addon: native, signal });
        await client.uploadFlist(
          { repository: REPOSITORY, name: 'image', source: output },
          { signal },
        );
      } finally {
        await client.close();
      }
      const flist = `${door.url}/${REPOSITORY}/image.flist`;
      return new World(dir, { hub, door, digests: await digestsBelow(source), bytes, flist });
    } catch (error) {
      await door?.close();
      await hub?.close();
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** The folder of an empty cache. */
  async newCache(): Promise<string> {
    const folder = join(this.dir, `cache-${this.#count++}`);
    await mkdir(folder);
    return folder;
  }

  /** Mounts the image; its mount point. @param flags of the daemon that this starts */
  async mount(cacheDir: string, flags: readonly string[] = []): Promise<string> {
    const mountPoint = join(this.dir, `mount-${this.#count++}`);
    await mkdir(mountPoint);
    const client = await connectOrStartDaemon(daemonCommand(cacheDir, flags));
    try {
      await client.request('mount', {
        source: this.flist,
        stores: [this.door.url],
        mountPoint,
        deadlineMs: DEADLINE_MS,
        openMode: 'auto',
        tier: 'fuse',
        driver: 'native',
        allowOther: process.getuid?.() === 0,
      });
    } finally {
      client.close();
    }
    return mountPoint;
  }

  /** Ends the daemon of a cache, or the successor of one that was killed, and with it its mounts. */
  async endDaemon(cacheDir: string): Promise<void> {
    await this.#signalDaemons(cacheDir, 'SIGTERM');
  }

  /** Mounts that are kept get another daemon; others are dead. */
  async killDaemon(cacheDir: string): Promise<void> {
    await this.#signalDaemons(cacheDir, 'SIGKILL');
  }

  async #signalDaemons(folder: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    for (const { cacheDir } of await this.#daemonsOf(folder)) {
      const client = await connectDaemon(cacheDir);
      if (client === undefined) continue;
      const { pid } = await client.request<{ readonly pid: number }>('about', {});
      client.close();
      process.kill(pid, signal);
      for (let waited = 0; isAlive(pid); waited += POLL_MS) {
        if (waited > END_TIMEOUT_MS) {
          throw new G8Error('ERR_TIMEOUT', `The mount daemon ${pid} does not end`);
        }
        await pause(POLL_MS);
      }
    }
  }

  /** Whether a mount outlives its daemon. */
  async isKept(cacheDir: string, mountPoint: string): Promise<boolean> {
    const client = await connectDaemon(cacheDir);
    if (client === undefined) return false;
    try {
      const records = await client.request<readonly MountRecord[]>('list', {});
      return records.find((record) => record.mountPoint === mountPoint)?.kept === true;
    } finally {
      client.close();
    }
  }

  /** Takes away mounts that nobody serves. */
  async detach(): Promise<void> {
    await detachLeftovers(this.dir);
  }

  /** Without a keeper there are no successors. */
  async #killDaemons(): Promise<void> {
    for (const { pid, keeper } of await this.#daemonsOf(this.dir)) {
      for (const one of [keeper, pid]) {
        if (one !== undefined && isAlive(one)) process.kill(one, 'SIGKILL');
      }
    }
    await this.detach();
  }

  /** Nothing of it is left, whatever has happened. */
  async close(): Promise<void> {
    try {
      this.door.still = false;
      await this.endDaemon(this.dir).catch(() => this.#killDaemons());
    } finally {
      await this.door.close();
      await this.hub.close();
      // Never through a mount that could not be taken away.
      const isMounted = readMountinfo().some(({ mountPoint }) =>
        mountPoint.startsWith(`${this.dir}/`),
      );
      if (!isMounted) await rm(this.dir, { recursive: true, force: true });
    }
  }

  /** Those of a cache, or of all caches below a folder. */
  async #daemonsOf(folder: string) {
    const all = await listDaemons(registryDir(process.env));
    return all.filter(({ cacheDir }) => cacheDir === folder || cacheDir.startsWith(`${folder}/`));
  }
}

async function digestsBelow(root: string): Promise<Digests> {
  const digests = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    digests.set(relative(root, path), digest);
  }
  return digests;
}
