/**
 * The mounts of one daemon: makes them, lists them, takes them away. Everything slow happens before
 * the mount point is touched, so a request that fails leaves nothing behind.
 *
 * Calls may overlap; two requests for one mount point are kept apart by a reservation.
 */
import { basename, join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { G8Error } from '../base/errors.ts';
import type { QuotaRule } from '../config/cache-quotas.ts';
import { shownSource } from '../store/http-url.ts';
import type { ChunkStore } from '../store/store.ts';
import { admitImage, type Policy } from './admission.ts';
import type { ExplainedSession } from './driver.ts';
import { awaitEnd, closeUsed, recordTouches } from './end-mount.ts';
import type { Image, ImageStore } from './images.ts';
import { adoptMount, type MadeMount, type MountMakers, makeMount } from './make-mount.ts';
import { prepareMountPoint } from './mount-point.ts';
import { type MountRecord, type MountRequest, recordOf, type ServedMount } from './mount-record.ts';
import { End, isMounted, lifeOf, type Mounted } from './mounted.ts';
import { findMount, readMountinfo } from './mountinfo.ts';
import type { Prefetch, PrefetchRequest, PrefetchStatus } from './prefetch.ts';
import { withQuota } from './quotas.ts';
import type { StackedMount } from './stack/stack-on-mount.ts';
import { encodeState, type HeldMountState, stateOf } from './takeover/held-state.ts';
import type { HeldMount, MountKeeper } from './takeover/keeper.ts';
import { unmount } from './unmount.ts';

/** What the table needs from the daemon to make a mount. */
export interface MountTableOptions extends MountMakers {
  readonly images: ImageStore;
  /** Folder for the hidden lower mounts of read-write mounts. */
  readonly lowerDir: string;
  readonly cacheDir: string;
  readonly policy?: Policy | undefined;
  /** Bounds of the cache for mounts that have none of their own. */
  readonly quotaRules?: readonly QuotaRule[] | undefined;
  readonly openStore: (request: MountRequest, image: Image) => ChunkStore;
  /** Called with the store of a mount that answers now. */
  readonly onMounted?: (store: ChunkStore) => void;
  /** Called before the image is opened; what it gives is called when the mount answers. */
  readonly preparePrefetch?: (request: MountRequest, prefetch: PrefetchRequest) => StartPrefetch;
  /** Called before a mount is taken away; what it returns is called when that has succeeded. */
  readonly onUnmount?: (mount: ServedMount) => () => void;
  /** Holds the mounts beyond this process; absent: they end with it. */
  readonly keeper?: MountKeeper | undefined;
  /** Called when the last mount is gone. */
  readonly onEmpty: () => void;
}

export type StartPrefetch = (
  image: Image,
  store: ChunkStore,
  session: Pick<ExplainedSession, 'misses' | 'foresight'>,
) => Prefetch;

/** How often mounts are looked for whose end nobody tells us. */
const SWEEP_INTERVAL_MS = 5_000;

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
    const mounting = this.#mount(withQuota(request, this.#options.quotaRules ?? []), signal);
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
      const { images, policy } = this.#options;
      const named = await images.open(request.source, signal);
      await admitImage(request, named, policy, signal);
      const made = await this.#stacked(request, named, signal);
      this.#requireOpen();
      await this.#start(made.request, made.image, startPrefetch);
      const source = shownSource(request.source);
      this.#options.log.info({ mountPoint, source }, 'mounted');
    } finally {
      this.#reserved.delete(mountPoint);
      this.checkEmpty();
    }
    return recordOf(this.#find(mountPoint));
  }

  async #stacked(request: MountRequest, image: Image, signal: AbortSignal): Promise<StackedMount> {
    if (request.onto === undefined) return { request, image };
    const { stackOnMount } = await import('./stack/stack-on-mount.ts');
    const base = this.#find(request.onto.mountPoint);
    return await stackOnMount({ request, layer: image, base }, this.#options, signal);
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
    this.#options.keeper?.warmUp();
    const store = this.#options.openStore(request, image);
    const lower = join(this.#options.lowerDir, String(this.#nextLower++));
    const end = new End();
    try {
      const order = { request, image, store, lower, onEnd: end.come };
      const made = await makeMount(this.#options, order);
      const since = new Date();
      const held = await this.#hold(request, image, made, since);
      const prefetch = startPrefetch?.(image, store, made.session);
      const mounted = { request, image, store, prefetch, ...made, held, ...lifeOf(end, since) };
      this.#enter(mounted, end);
    } catch (error) {
      await this.#closeUnused(store);
      throw error;
    }
  }

  #enter(mounted: Mounted, end: End): void {
    this.#mounts.set(mounted.request.mountPoint, mounted);
    // The kernel may have let go of it already.
    end.onCome(() => this.#ended(mounted));
    this.#options.onMounted?.(mounted.store);
  }

  async #closeUnused(store: ChunkStore): Promise<void> {
    await store
      .close()
      .catch((failure: unknown) =>
        this.#options.log.error({ err: failure }, 'clean-up of a failed mount failed'),
      );
  }

  async #hold(
    request: MountRequest,
    image: Image,
    made: MadeMount,
    since: Date,
  ): Promise<HeldMount | undefined> {
    const { keeper } = this.#options;
    const { session } = made;
    if (keeper === undefined) return undefined;
    if (session.tier === 'fuse' && session.connection === undefined) return undefined;
    return await keeper.hold(encodeState(stateOf(request, image, made, since)), session.connection);
  }

  /**
   * Goes on with a mount of a predecessor, from what is on this machine.
   *
   * @param text the state as it is held
   * @param givenUp aborted when nobody wants it any more
   * @throws ERR_NO_INPUT when its index is gone; ERR_MOUNT, ERR_FLIST_FORMAT; the reason of the signal
   */
  async restore(
    id: number,
    state: HeldMountState,
    text: string,
    givenUp: AbortSignal,
  ): Promise<void> {
    const { keeper, images, openStore, preparePrefetch } = this.#options;
    const { request, lower, fallback } = state;
    if (keeper === undefined) throw new G8Error('ERR_INTERNAL', 'Restored without a keeper');
    const image = await images.reopen(state.image);
    throwIfAborted(givenUp);
    const store = openStore(request, image);
    const end = new End();
    try {
      const order = { request, image, store, onEnd: end.come };
      const session = await adoptMount(this.#options, order, { id, state }, givenUp);
      const held = keeper.adopted(id, text, session.connection);
      const prefetch = request.prefetch && preparePrefetch?.(request, request.prefetch);
      const mounted: Mounted = {
        ...{ request, image, store, session, lower, fallback, held },
        prefetch: prefetch?.(image, store, session),
        ...lifeOf(end, new Date(state.since)),
      };
      if (isMounted(mounted)) this.#enter(mounted, end);
      // Detached while files were open: served until these are closed.
      else this.#letGo(mounted);
    } catch (error) {
      await this.#closeUnused(store);
      throw error;
    }
  }

  /** Refuses new mounts and waits for those that are being made. */
  async freeze(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#reserved.values());
  }

  /** Takes new mounts again. */
  thaw(): void {
    this.#closed = false;
  }

  /** Leaves the folder of a predecessor's lower mount to it, whether that can be restored or not. */
  keepLower(lower: string | undefined): void {
    this.#nextLower = Math.max(this.#nextLower, Number(basename(lower ?? '0')) + 1);
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
    if (!lazy) await awaitEnd(mounted, this.#options.log);
    await mounted.recorded;
  }

  /** Unmounts everything, busy or not, and refuses new mounts: the daemon is going away. */
  async close(): Promise<void> {
    // A mount being made fails by itself or can be unmounted when it is there.
    await this.freeze();
    clearInterval(this.#sweeper);
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
    this.#letGo(mounted);
  }

  /** Closes what a mount used when the kernel has let go of it. */
  #letGo(mounted: Mounted): void {
    const { mountPoint } = mounted.request;
    this.#releasing++;
    mounted.recorded = recordTouches(mounted, this.#options.log);
    // Whoever unmounts is told; nobody may be there to be told.
    mounted.recorded.catch((error: unknown) =>
      this.#options.log.error({ err: error, mountPoint }, 'the start profile is lost'),
    );
    mounted.finished = this.#finish(mounted).catch((error: unknown) =>
      this.#options.log.error({ err: error, mountPoint }, 'clean-up failed'),
    );
  }

  async #finish(mounted: Mounted): Promise<void> {
    try {
      await closeUsed(mounted);
    } finally {
      this.#releasing--;
      this.checkEmpty();
    }
  }

  /** Nobody tells us when an overlay, or a mount of the second driver, is unmounted by others. */
  #sweep(): void {
    const untold = [...this.#mounts.values()].filter(
      ({ lower, session }) =>
        lower !== undefined || session.driver === 'fuse-native' || session.isThere !== undefined,
    );
    if (untold.length === 0) return;
    const entries = readMountinfo();
    for (const mounted of untold) {
      const top = findMount(mounted.request.mountPoint, entries);
      const isThere = mounted.lower === undefined ? top?.type === 'fuse' : top?.type === 'overlay';
      if (!(mounted.session.isThere?.() ?? isThere)) this.#ended(mounted);
    }
  }

  /** Tells `onEmpty` if so. */
  checkEmpty(): void {
    if (this.isEmpty) this.#options.onEmpty();
  }
}
