/**
 * Mounts of containers, made by the mount daemon: they are its own and outlive whoever has asked for them. One
 * connection is kept while it is needed, because its end says that the daemon has died and its mounts with it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { G8Error, isG8Error } from '../../base/errors.ts';
import { connectOrStartDaemon, type DaemonCommand } from '../../fs/client.ts';
import type { ControlClient } from '../../fs/control.ts';
import type { MountRecord, MountRequest } from '../../fs/mount-record.ts';
import { findMount, readMountinfo } from '../../fs/mountinfo.ts';
import { unmount } from '../../fs/unmount.ts';

const execute = promisify(execFile);
/** Unpacking a very large flist takes minutes; a hub that is down is given up long before. */
const MOUNT_TIMEOUT_MS = 600_000;
const UNMOUNT_TIMEOUT_MS = 30_000;
const PROGRAM_TIMEOUT_MS = 10_000;
/** Mount daemons that may go away one after the other while a mount is asked for. */
const ATTEMPTS_MAX = 5;

export interface RootMountsOptions {
  readonly daemon: DaemonCommand;
  /** Asked after the routes of a flist and the storage of a container. */
  readonly stores: readonly string[];
  /** How long a read in a container waits for its data. */
  readonly deadlineMs: number;
  readonly tier: MountRequest['tier'];
}

/** One flist, to be mounted with a writable layer on top. */
export interface RootMount {
  /** Path or http(s) URL. */
  readonly source: string;
  readonly mountPoint: string;
  readonly upper: string;
  readonly work: string;
  /** Where its chunks are; empty: where the flist says. */
  readonly storage: string;
  /** The mount whose image it is put on, and the file that gets the flist of the two; absent: nothing. */
  readonly onto?: MountRequest['onto'];
}

export class RootMounts {
  readonly #options: RootMountsOptions;
  readonly #onLost: () => void;
  #client: Promise<ControlClient> | undefined;

  /** @param onLost called when the mount daemon is gone; what it has mounted may be dead */
  constructor(options: RootMountsOptions, onLost: () => void) {
    this.#options = options;
    this.#onLost = onLost;
  }

  /** Folder of the cache whose daemon mounts. */
  get cacheDir(): string {
    return this.#options.daemon.cacheDir;
  }

  /**
   * Connects to the mount daemon, starting it if need be, and stays connected.
   *
   * @throws what {@link connectOrStartDaemon} throws
   */
  async connect(): Promise<ControlClient> {
    this.#client ??= this.#connect();
    try {
      return await this.#client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  async #connect(): Promise<ControlClient> {
    const client = await connectOrStartDaemon(this.#options.daemon);
    const connected = this.#client;
    void client.closed.then(() => {
      // Closed by us, or already known to be gone.
      if (connected === undefined || this.#client !== connected) return;
      this.#client = undefined;
      this.#onLost();
    });
    return client;
  }

  /**
   * @returns folder of the unpacked image
   * @throws what the mount daemon throws: ERR_NO_INPUT, ERR_FLIST_FORMAT, ERR_STORE_UNAVAILABLE, ERR_MOUNT and others
   */
  async mount({ source, mountPoint, upper, work, storage, onto }: RootMount): Promise<string> {
    const { stores, deadlineMs, tier } = this.#options;
    const request: MountRequest = {
      source,
      mountPoint,
      upper,
      work,
      stores: storage === '' ? stores : [storage, ...stores],
      deadlineMs,
      tier,
      openMode: 'auto',
      driver: 'native',
      allowOther: true,
      // A profile is that of a whole image.
      ...(onto === undefined ? { prefetch: { mode: 'profile' } } : { onto }),
    };
    for (let attempt = 1; ; attempt++) {
      const client = await this.connect();
      try {
        const { image } = await client.request<MountRecord>('mount', request, MOUNT_TIMEOUT_MS);
        return join(this.cacheDir, 'flists', image);
      } catch (error) {
        const isLeaving = isG8Error(error, 'ERR_ABORTED') || client.isClosed;
        if (!isLeaving || attempt === ATTEMPTS_MAX) throw error;
        // A daemon without mounts ends by itself, perhaps just now; its successor is asked.
        client.close();
        await client.closed;
      }
    }
  }

  /**
   * Detaches a mount, whether its daemon is alive or not. Nothing happens when nothing is there.
   *
   * @throws ERR_MOUNT when the kernel refuses
   */
  async unmount(mountPoint: string): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    try {
      await client?.request('unmount', { mountPoint, lazy: true }, UNMOUNT_TIMEOUT_MS);
    } catch (error) {
      if (!isG8Error(error)) throw error;
      // Not its mount, or the daemon is gone: what is left is detached here.
    }
    await detach(mountPoint);
  }

  /** Ends the connection; the mounts stay. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    (await client?.catch(() => undefined))?.close();
  }
}

/** Puts a memory file system of limited size somewhere. @throws ERR_MOUNT */
export async function mountLimited(mountPoint: string, sizeBytes: number): Promise<void> {
  const options = `size=${sizeBytes},mode=700`;
  try {
    await execute('mount', ['-t', 'tmpfs', '-o', options, 'g8ufs-layer', mountPoint], {
      timeout: PROGRAM_TIMEOUT_MS,
      cwd: '/',
    });
  } catch (error) {
    throw new G8Error('ERR_MOUNT', `${mountPoint} cannot get a limited size: ${error}`, {
      cause: error,
    });
  }
}

/** Detaches everything that is mounted at or below a folder, what came last first. @throws ERR_MOUNT */
export async function detachBelow(folder: string): Promise<void> {
  const points = readMountinfo().map(({ mountPoint }) => mountPoint);
  const inside = points.filter((point) => point === folder || point.startsWith(`${folder}/`));
  for (const point of inside.reverse()) await unmount(point, true);
}

async function detach(mountPoint: string): Promise<void> {
  // Several may lie on one another; each call takes one away.
  while (findMount(mountPoint) !== undefined) await unmount(mountPoint, true);
}
