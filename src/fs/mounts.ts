/**
 * The mounts of one daemon: makes them, lists them, takes them away. Everything slow happens before
 * the mount point is touched, so a request that fails leaves nothing behind.
 *
 * Calls may overlap; two requests for one mount point are kept apart by a reservation.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createAbortController } from '../base/abort.ts';
import { G8Error } from '../base/errors.ts';
import type { OpenMode } from '../native/addon.ts';
import { shownSource } from '../store/http-url.ts';
import type { ChunkStore } from '../store/store.ts';
import { admitImage, type Policy } from './admission.ts';
import type { ExplainedSession } from './driver.ts';
import type { Image, ImageStore } from './images.ts';
import { type MadeMount, type MountMakers, makeMount } from './make-mount.ts';
import type { MissLog } from './miss-log.ts';
import { prepareMountPoint } from './mount-point.ts';
import { findMount, readMountinfo } from './mountinfo.ts';
import { removeWorkDir } from './overlay.ts';
import type { Prefetch, PrefetchRequest, PrefetchStatus } from './prefetch.ts';
import { unmount } from './unmount.ts';

/** A mount as it was asked for. Paths are absolute. */
export interface MountRequest {
  /** Path of a flist file, or its http(s) URL. */
  readonly source: string;
  readonly mountPoint: string;
  /** Store URLs, asked after the flist's own routes. */
  readonly stores: readonly string[];
  readonly deadlineMs: number;
  readonly openMode: OpenMode;
  readonly driver: 'native' | 'fuse-native';
  /** `auto` is the kernel tier where it can be had. */
  readonly tier: 'fuse' | 'kernel' | 'auto';
  readonly allowOther: boolean;
  /** Answer `user.g8ufs.*` even where the image has no xattrs and nobody would have to be asked. */
  readonly magicXattrs?: boolean;
  /** Raw public keys in Base64, one of which must have signed the image; absent: none has to. */
  readonly requireSignature?: readonly string[];
  /** Read-write with overlayfs on top; absent for a read-only mount. */
  readonly upper?: string;
  /** Work folder of that overlay; default the upper folder's name with `.work`, removed at the end. */
  readonly work?: string;
  /** What to fetch before it is asked for; absent: nothing. */
  readonly prefetch?: PrefetchRequest;
  /** File to write a start profile to when the mount ends. */
  readonly record?: string;
}

/** A mount as it is. */
export interface MountRecord {
  readonly mountPoint: string;
  readonly source: string;
  /** Digest of the packed flist in hex. */
  readonly image: string;
  readonly driver: ExplainedSession['driver'];
  readonly tier: ExplainedSession['tier'];
  /** Why `auto` did not take the kernel tier. */
  readonly fallback: string | null;
  readonly passthrough: boolean;
  readonly upper: string | null;
  /** ISO 8601. */
  readonly since: string;
  readonly stats: Readonly<Record<string, number>>;
  readonly prefetch: PrefetchStatus | null;
  /** Where the start profile goes that is being recorded. */
  readonly record: string | null;
}

/** What the table needs from the daemon to make a mount. */
export interface MountTableOptions extends MountMakers {
  readonly images: ImageStore;
  /** Folder for the hidden lower mounts of read-write mounts. */
  readonly lowerDir: string;
  readonly cacheDir: string;
  readonly policy?: Policy | undefined;
  readonly openStore: (request: MountRequest, image: Image) => ChunkStore;
  /** Called with the store of a mount that answers now. */
  readonly onMounted?: (store: ChunkStore) => void;
  /** Called before the image is opened; what it gives is called when the mount answers. */
  readonly preparePrefetch?: (request: MountRequest, prefetch: PrefetchRequest) => StartPrefetch;
  /** Called before a mount is taken away; what it returns is called when that has succeeded. */
  readonly onUnmount?: (mount: ServedMount) => () => void;
  /** Called when the last mount is gone. */
  readonly onEmpty: () => void;
}

export type StartPrefetch = (image: Image, store: ChunkStore, misses: MissLog) => Prefetch;

/** A mount as whoever explains it sees it. */
export interface ServedMount {
  readonly request: MountRequest;
  readonly image: Image;
  readonly session: ExplainedSession;
  readonly store: ChunkStore;
  readonly since: Date;
  readonly prefetch: Prefetch | undefined;
  /** Why the kernel tier was not taken although it was preferred. */
  readonly fallback: string | undefined;
}

interface Mounted extends ServedMount, MadeMount {
  /** Settles when the kernel has let go: after a lazy unmount that is when the last file is closed. */
  readonly ended: Promise<void>;
  closing: Promise<void> | undefined;
  /** The start profile is written. */
  recorded: Promise<void> | undefined;
  /** What it used is closed as well. */
  finished: Promise<void> | undefined;
}

/** How often mounts are looked for whose end nobody tells us. */
const SWEEP_INTERVAL_MS = 5_000;
/** Far longer than the kernel takes to let go of a mount that nobody holds. */
const END_WAIT_MS = 2_000;

export class MountTable {
  readonly #options: MountTableOptions;
  readonly #mounts = new Map<string, Mounted>();
  /** Mounts being made, by mount point. */
  readonly #reserved = new Map<string, Promise<MountRecord>>();
  readonly #sweeper: NodeJS.Timeout;
  /** Mounts that are gone while what they used is still being closed. */
  #releasing = 0;
  #nextLower = 1;
  #closed = false;

  constructor(options: MountTableOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#mounts.size + this.#reserved.size;
  }

  /** Whether nothing is mounted, and nothing that was is still in use. */
  get isEmpty(): boolean {
    return this.size === 0 && this.#releasing === 0;
  }

  /** Digests of the images that are mounted. */
  images(): Set<string> {
    return new Set([...this.#mounts.values()].map((mounted) => mounted.image.digest));
  }

  /** The mounts of the moment. */
  served(): ServedMount[] {
    return [...this.#mounts.values()];
  }

  /** @throws ERR_NO_INPUT when this daemon has no such mount */
  find(mountPoint: string): ServedMount {
    return this.#find(mountPoint);
  }

  list(): MountRecord[] {
    return this.served().map(recordOf);
  }

  /** How far the prefetch of a mount is; `null` without one. @throws ERR_NO_INPUT without such a mount */
  prefetchStatus(mountPoint: string): PrefetchStatus | null {
    return this.#find(mountPoint).prefetch?.status() ?? null;
  }

  #find(mountPoint: string): Mounted {
    const mounted = this.#mounts.get(mountPoint);
    if (mounted !== undefined) return mounted;
    throw new G8Error('ERR_NO_INPUT', `${mountPoint} is not mounted by g8ufs`);
  }

  /**
   * Mounts, and resolves when the mount answers.
   *
   * @throws ERR_NO_INPUT (flist or mount point absent), ERR_MOUNT (already a mount point), ERR_NO_FUSE,
   *   ERR_PERMISSION (also for an image that is not signed as asked), ERR_FLIST_FORMAT, ERR_STORE_UNAVAILABLE, ERR_ABORTED when the daemon goes away
   */
  async mount(request: MountRequest, signal: AbortSignal): Promise<MountRecord> {
    const { mountPoint } = request;
    this.#requireOpen();
    if (this.#mounts.has(mountPoint) || this.#reserved.has(mountPoint)) {
      throw new G8Error('ERR_MOUNT', `${mountPoint} is already mounted by g8ufs`);
    }
    const mounting = this.#mount(request, signal);
    this.#reserved.set(mountPoint, mounting);
    return mounting;
  }

  async #mount(request: MountRequest, signal: AbortSignal): Promise<MountRecord> {
    const { mountPoint, prefetch, record } = request;
    try {
      await prepareMountPoint(mountPoint, this.#options.cacheDir);
      if (record !== undefined) {
        const { checkRecording } = await import('./recording.ts');
        await checkRecording(record, mountPoint);
      }
      const startPrefetch =
        prefetch === undefined ? undefined : this.#options.preparePrefetch?.(request, prefetch);
      const image = await this.#options.images.open(request.source, signal);
      await admitImage(request, image, this.#options.policy, signal);
      this.#requireOpen();
      await this.#start(request, image, startPrefetch);
      const source = shownSource(request.source);
      this.#options.log.info({ mountPoint, source }, 'mounted');
    } finally {
      this.#reserved.delete(mountPoint);
      this.#checkEmpty();
    }
    return recordOf(this.#find(mountPoint));
  }

  #requireOpen(): void {
    if (this.#closed) throw new G8Error('ERR_ABORTED', 'The mount daemon is going away');
  }

  /** Makes the mount and enters it. */
  async #start(
    request: MountRequest,
    image: Image,
    startPrefetch: StartPrefetch | undefined,
  ): Promise<void> {
    const store = this.#options.openStore(request, image);
    const lower = join(this.#options.lowerDir, String(this.#nextLower++));
    // The kernel may let go of the mount before it is entered.
    let mounted: Mounted | undefined;
    let isOver = false;
    let onEnd: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      onEnd = () => {
        isOver = true;
        resolve();
        if (mounted !== undefined) this.#ended(mounted);
      };
    });
    try {
      const made = await makeMount(this.#options, { request, image, store, lower, onEnd });
      const since = new Date();
      const life = { since, ended, closing: undefined, recorded: undefined, finished: undefined };
      const prefetch = startPrefetch?.(image, store, made.session.misses);
      mounted = { request, image, store, prefetch, ...made, ...life };
      this.#mounts.set(request.mountPoint, mounted);
      if (isOver) this.#ended(mounted);
      this.#options.onMounted?.(store);
    } catch (error) {
      await store
        .close()
        .catch((failure: unknown) =>
          this.#options.log.error({ err: failure }, 'clean-up of a failed mount failed'),
        );
      throw error;
    }
  }

  /**
   * Unmounts. Refuses while files are open unless `lazy`: then the mount disappears at once and ends
   * when the last file is closed.
   *
   * @throws ERR_NO_INPUT when this daemon has no such mount; ERR_MOUNT when it is busy
   */
  async unmount(mountPoint: string, lazy: boolean): Promise<void> {
    await this.#unmount(this.#find(mountPoint), lazy);
  }

  async #unmount(mounted: Mounted, lazy: boolean): Promise<void> {
    const { mountPoint } = mounted.request;
    if (mounted.lower !== undefined && findMount(mountPoint)?.type === 'overlay') {
      await unmount(mountPoint, lazy);
    }
    await this.#close(mounted, lazy || mounted.lower !== undefined);
    // Detached lazily, it may be in use for as long as its users like.
    if (!lazy) await this.#awaitEnd(mounted);
    await mounted.recorded;
  }

  /**
   * A mount that was not busy ends at once, unless a mount namespace of others holds a copy of it. Its users
   * go on with that; whoever unmounts here does not wait for them.
   */
  async #awaitEnd({ request, finished }: Mounted): Promise<void> {
    const given = createAbortController();
    const bound = delay(END_WAIT_MS, 'held', { signal: given.signal }).catch(() => 'over');
    const outcome = await Promise.race([Promise.resolve(finished).then(() => 'over'), bound]);
    given.abort();
    if (outcome === 'over') return;
    const { mountPoint } = request;
    this.#options.log.info({ mountPoint }, 'another mount namespace holds a copy of the mount');
  }

  /** Unmounts everything, busy or not, and refuses new mounts: the daemon is going away. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    // A mount being made fails by itself or can be unmounted when it is there.
    await Promise.allSettled(this.#reserved.values());
    const results = await Promise.allSettled(
      [...this.#mounts.keys()].map((mountPoint) => this.unmount(mountPoint, true)),
    );
    for (const result of results) {
      if (result.status === 'rejected') this.#options.log.error({ err: result.reason }, 'unmount');
    }
  }

  /** The kernel ended the connection: somebody else unmounted it. */
  #ended(mounted: Mounted): void {
    const { mountPoint } = mounted.request;
    // Another mount may be there by now: one that was detached lazily ends when its last file is closed.
    if (this.#mounts.get(mountPoint) !== mounted || mounted.closing !== undefined) return;
    this.#options.log.info({ mountPoint }, 'unmounted from outside');
    this.#unmount(mounted, true).catch((error: unknown) =>
      this.#options.log.error({ err: error, mountPoint }, 'clean-up failed'),
    );
  }

  async #close(mounted: Mounted, lazy: boolean): Promise<void> {
    if (mounted.closing !== undefined) {
      try {
        return await mounted.closing;
      } catch (error) {
        // That attempt may have minded open files; this one does not.
        if (!lazy) throw error;
      }
    }
    mounted.closing ??= this.#release(mounted, lazy);
    try {
      await mounted.closing;
    } catch (error) {
      // Still mounted (busy): the next attempt starts anew.
      mounted.closing = undefined;
      throw error;
    }
  }

  /** Detaches; what the mount used is closed when the kernel has let go of it. */
  async #release(mounted: Mounted, lazy: boolean): Promise<void> {
    const { mountPoint } = mounted.request;
    const onGone = this.#options.onUnmount?.(mounted);
    await mounted.session.close({ lazy });
    this.#mounts.delete(mountPoint);
    onGone?.();
    this.#options.log.info({ mountPoint }, 'unmounted');
    this.#releasing++;
    mounted.recorded = this.#record(mounted);
    // Whoever unmounts is told; nobody may be there to be told.
    mounted.recorded.catch((error: unknown) =>
      this.#options.log.error({ err: error, mountPoint }, 'the start profile is lost'),
    );
    mounted.finished = this.#finish(mounted).catch((error: unknown) =>
      this.#options.log.error({ err: error, mountPoint }, 'clean-up failed'),
    );
  }

  /** Writes the profile of what was touched until now: a mount that is detached may live on for long. */
  async #record({ request, image, session }: Mounted): Promise<void> {
    const { mountPoint, record } = request;
    if (record === undefined || session.touches === undefined) return;
    const { writeRecording } = await import('./recording.ts');
    const { entries, cut } = await writeRecording(record, image, session.touches());
    this.#options.log.info({ mountPoint, record, entries: entries.length, cut }, 'recorded');
  }

  async #finish(mounted: Mounted): Promise<void> {
    const { upper, work } = mounted.request;
    try {
      await mounted.ended;
      await mounted.prefetch?.close();
      await mounted.recorded?.catch(() => {});
      await mounted.store.close();
      if (mounted.lower !== undefined) await rm(mounted.lower, { recursive: true, force: true });
      // A folder that the user has named is the user's.
      if (upper !== undefined && work === undefined) await removeWorkDir(upper);
    } finally {
      this.#releasing--;
      this.#checkEmpty();
    }
  }

  /** Nobody tells us when an overlay, or a mount of the second driver, is unmounted by others. */
  #sweep(): void {
    const untold = [...this.#mounts.values()].filter(
      (mounted) => mounted.lower !== undefined || mounted.session.driver === 'fuse-native',
    );
    if (untold.length === 0) return;
    const entries = readMountinfo();
    for (const mounted of untold) {
      const top = findMount(mounted.request.mountPoint, entries);
      const isThere = mounted.lower === undefined ? top?.type === 'fuse' : top?.type === 'overlay';
      if (!isThere) this.#ended(mounted);
    }
  }

  #checkEmpty(): void {
    if (this.isEmpty) this.#options.onEmpty();
  }
}

/** What `list` tells of a mount. */
export function recordOf(mount: ServedMount): MountRecord {
  const { request, image, session, since, prefetch, fallback } = mount;
  return {
    mountPoint: request.mountPoint,
    source: shownSource(request.source),
    image: image.digest,
    driver: session.driver,
    tier: session.tier,
    fallback: fallback ?? null,
    passthrough: session.passthrough,
    upper: request.upper ?? null,
    since: since.toISOString(),
    stats: session.stats(),
    prefetch: prefetch?.status() ?? null,
    record: request.record ?? null,
  };
}
