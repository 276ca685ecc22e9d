/**
 * The mount daemon: owns one cache and all mounts that read through it. Commands talk to it over the
 * control socket; it ends by itself when its last mount is gone.
 */
import type { Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { G8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import type { MetricsServer } from '../base/metrics-server.ts';
import type { ContentCache } from '../cache/cache.ts';
import type { Profile } from '../format/profile.ts';
import { addon } from '../native/load.ts';
import { HealthTable } from '../store/health.ts';
import { shownSource } from '../store/http-url.ts';
import { AbandonedReads } from './abandoned-reads.ts';
import { controlSocket } from './client.ts';
import { serveControl } from './control.ts';
import { ControlRequests } from './control-requests.ts';
import type { DaemonOptions } from './daemon-options.ts';
import { Demand } from './demand.ts';
import { DiskSilence } from './disk-silence.ts';
import { DiskWatch } from './disk-watch.ts';
import { Explainer } from './explain.ts';
import { OpenedContents } from './foresight/opened-contents.ts';
import { ImageStore } from './images.ts';
import { objectsDir } from './kernel/overlay.ts';
import { KernelTier } from './kernel/tier.ts';
import { devicesOf, KernelLog } from './kernel-log.ts';
import type { Logger } from './log.ts';
import { MountMetrics } from './metrics.ts';
import { quotaOf } from './mount-record.ts';
import { LazyStore, openMountStore } from './mount-store.ts';
import { MountTable } from './mounts.ts';
import { openCache } from './open-cache.ts';
import { openDriver } from './open-driver.ts';
import { Pacer } from './pacer.ts';
import { mayCommand } from './peer.ts';
import { Prefetch } from './prefetch.ts';
import { register } from './registry.ts';
import { SLOW_READ_MS, SlowReads } from './slow-reads.ts';
import { MountKeeper } from './takeover/keeper.ts';
import { PendingRestores } from './takeover/pending-restores.ts';
import { Quarantine } from './takeover/quarantine.ts';
import { keptPlaces, type ParsedEntry, parseEntries, restoreAll } from './takeover/restore.ts';
import { detachLeftovers, LOWER_FOLDER } from './unmount.ts';
import { whileDiskAnswers } from './while-disk-answers.ts';

/** For the keeper to be told that no successor is wanted. */
const GOODBYE_MS = 2_000;

export class Daemon {
  readonly mounts: MountTable;
  readonly #cache: ContentCache;
  readonly #images: ImageStore;
  readonly #kernel: KernelTier;
  readonly #log: Logger;
  readonly #kernelLog: KernelLog;
  readonly #requests: ControlRequests;
  readonly #metrics = new MountMetrics();
  readonly #health = new HealthTable();
  readonly #keeper: MountKeeper | undefined;
  readonly #quarantine: Quarantine;
  readonly #pending = new PendingRestores();
  readonly #demand: Demand;
  readonly #options: DaemonOptions;
  readonly #diskWatch: DiskWatch;
  #metricsServer: MetricsServer | undefined;
  readonly #abort = new AbortController();
  #control: Server | undefined;
  #unregister: (() => Promise<void>) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    options: DaemonOptions,
    cache: ContentCache,
    opened: OpenedContents,
    keeper: MountKeeper | undefined,
  ) {
    const { cacheDir, log } = options;
    this.#options = options;
    this.#keeper = keeper;
    this.#quarantine = new Quarantine(keeper, log);
    this.#cache = cache;
    this.#log = log;
    this.#images = new ImageStore({
      dir: join(cacheDir, 'flists'),
      tmp: join(cacheDir, 'tmp'),
      onStale: (url, error) =>
        log.warn(
          { url: shownSource(url), code: error.code },
          'hub is away, its last image is used',
        ),
      makeRoom: (bytes) => cache.makeRoom(bytes),
      // The HTTP client is loaded only for images that come from a server.
      fetchFlist: async (url, fetchOptions) => {
        const { fetchFlist } = await import('./fetch-flist.ts');
        const fetched = fetchFlist(url, fetchOptions);
        // What comes next is loaded while the server has to answer.
        setImmediate(() => {
          keeper?.warmUp();
          void Promise.all([import('../image/unpack.ts'), import('../store/open.ts')]);
        });
        return await fetched;
      },
    });
    const pacer = new Pacer();
    const slowReadMs = options.slowReadMs ?? SLOW_READ_MS;
    const slowReads = new SlowReads({ thresholdMs: slowReadMs, log });
    const abandoned = new AbandonedReads(addon());
    const watched = { slowReads, abandoned, opened };
    const demand = new Demand({ cache, contents: addon(), log, pacer, ...watched });
    this.#demand = demand;
    const silence = new DiskSilence(devicesOf(cacheDir));
    this.#diskWatch = new DiskWatch({ driver: addon(), cache, slowReads, silence });
    this.#kernel = new KernelTier({
      cacheDir,
      filesDir: cache.layout.files,
      addon: addon(),
      demand,
      keeper,
    });
    this.mounts = new MountTable({
      images: this.#images,
      lowerDir: join(cacheDir, LOWER_FOLDER),
      cacheDir,
      log,
      policy: options.policy,
      quotaRules: options.quotaRules,
      openStore: (request, image) => openMountStore({ ...request, image, health: this.#health }),
      // The first miss should not wait for the HTTP client. What fails here fails again there.
      onMounted: (store) => {
        if (store instanceof LazyStore) store.warmUp().catch(() => {});
      },
      openDriver: (request, driverOptions, store, onEnd) =>
        openDriver(request.driver, {
          ...driverOptions,
          ...{ cache, demand, store, onEnd, quota: quotaOf(request), early: options.early },
        }),
      openKernel: this.#kernel.open.bind(this.#kernel),
      adoptKernel: this.#kernel.adopt.bind(this.#kernel),
      keep: keeper !== undefined,
      keeper,
      preparePrefetch: (request, { profile: place, ...rest }) => {
        const { mountPoint } = request;
        // Read while the image is opened: both may be far away.
        const profile = this.#readProfile(place ?? request.source, place !== undefined);
        profile.catch(() => {});
        return (image, store, { misses, foresight }) =>
          new Prefetch({
            ...{ ...rest, mountPoint, cache, store, misses, profile, pacer, log },
            onNoProfile: () => foresight?.start(),
            quota: quotaOf(request),
            indexDir: image.dir,
          });
      },
      onUnmount: (mount) => this.#metrics.onUnmount(mount),
      onEmpty: () => {
        if (this.isEmpty) options.onEmpty();
      },
    });
    this.#kernelLog = new KernelLog(cacheDir, addon(), (error) => cache.noteDiskError(error));
    this.#requests = new ControlRequests({
      ...{ cache, keeper, log, mounts: this.mounts, images: this.#images },
      quarantine: this.#quarantine,
      pending: this.#pending,
      explainer: new Explainer(this.mounts, cache, slowReadMs),
      metrics: this.#metrics,
      stores: this.#health,
      version: options.version,
      flags: options.flags ?? [],
      signal: this.#abort.signal,
      handOver: () => this.#handOver(),
    });
  }

  /** There is no mount, not even one that nobody serves and that is still somebody's to take away. */
  get isEmpty(): boolean {
    return this.mounts.isEmpty && this.#quarantine.size === 0 && this.#pending.size === 0;
  }

  async #readProfile(source: string, isPlace: boolean): Promise<Profile | undefined> {
    const { profilePlace, readProfile } = await import('../image/profile-files.ts');
    return await readProfile(isPlace ? source : profilePlace(source), this.#abort.signal);
  }

  /**
   * Takes the cache, cleans up after a daemon that died, and listens.
   *
   * @throws ERR_CACHE_LOCKED when another process owns the cache; ERR_PERMISSION; ERR_IO
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { cacheDir } = options;
    const runDir = join(cacheDir, 'run');
    await makeFolder(runDir, { mode: 0o700 });
    let daemon: Daemon | undefined;
    const keeper = makeKeeper(options, async (pid) => await daemon?.register(pid));
    const opened = new OpenedContents();
    const cache = await openCache(options, addon(), (digests) => opened.opened(digests));
    daemon = new Daemon(options, cache, opened, keeper);
    try {
      await daemon.#begin(runDir);
    } catch (error) {
      // What a predecessor has left stays with the keeper, which tries again with another process.
      if (options.early === undefined) await daemon.close();
      throw error;
    }
    return daemon;
  }

  async #begin(runDir: string): Promise<void> {
    const { cacheDir, log, metrics } = this.#options;
    // First of all: there are readers who wait.
    const held = parseEntries((await this.#keeper?.connect()) ?? []);
    const restored = this.#restore(held);
    for (const mountPoint of await detachLeftovers(
      runDir,
      keptPlaces(held, objectsDir(cacheDir)),
    )) {
      log.warn({ mountPoint }, 'detached a mount whose daemon died');
    }
    // Whoever asks for something meanwhile is answered: a mount may be restored for as long as its bound says.
    this.#control = await serveControl(
      controlSocket(this.#cache.layout.dir),
      (method, params) => this.handle(method, params),
      (peer) => mayCommand(peer, addon()),
    );
    await this.#serveMetrics(metrics);
    await this.register();
    await restored;
    // They may all have been unmounted since.
    if (held.length > 0) this.mounts.checkEmpty();
  }

  async #restore(held: readonly ParsedEntry[]): Promise<void> {
    if (this.#keeper === undefined) return;
    if (held.length === 0) return await this.#keeper.ready();
    const start = performance.now();
    for (const { state } of held) if (state?.kind === 'mount') this.mounts.keepLower(state.lower);
    await restoreAll(held, {
      keeper: this.#keeper,
      quarantine: this.#quarantine,
      pending: this.#pending,
      log: this.#options.log,
      restoreMount: async (entry, state, givenUp) => {
        await this.#options.early?.tried(entry.id);
        await this.mounts.restore(entry.id, state, entry.state, givenUp);
      },
      isDiskAway: this.#cache.isDiskAway,
      restoreObjects: (entry) => this.#kernel.adoptObjects(entry),
      loseObjects: () => this.#kernel.loseObjects(),
      resumeObjects: () => this.#kernel.resumeObjects(),
    });
    const ms = Math.round(performance.now() - start);
    this.#options.log.info({ mounts: held.length, ms }, 'took over from a daemon that is gone');
  }

  /** Makes the daemon known to commands. @param keeper its process id when it was just started */
  async register(keeper?: number): Promise<void> {
    const { cacheDir, registryDir } = this.#options;
    this.#unregister = await register(registryDir, {
      pid: process.pid,
      cacheDir,
      socket: controlSocket(this.#cache.layout.dir),
      ...(keeper === undefined ? {} : { keeper }),
    });
  }

  /** Answers one control request; see {@link ControlRequests.handle}. */
  handle(method: string, params: unknown): Promise<unknown> {
    return this.#requests.handle(method, params);
  }

  /**
   * Ends this process in favour of another one, which takes the mounts from the keeper. What is here is read
   * on until the last moment; what is not waits for the other one.
   *
   * @throws ERR_MOUNT when the mounts would end with this process
   */
  async #handOver(): Promise<never> {
    const keeper = this.#keeper;
    const isKept = keeper !== undefined && this.mounts.list().every(({ kept }) => kept);
    if (!isKept) throw new G8Error('ERR_MOUNT', 'This daemon has mounts that no keeper holds');
    await this.mounts.freeze();
    try {
      await keeper.handOver();
    } catch (error) {
      // From a keeper that is gone nobody could take them: this daemon goes on.
      this.mounts.thaw();
      throw error;
    }
    this.#demand.leave();
    this.#abort.abort(new G8Error('ERR_ABORTED', 'The mount daemon is being replaced'));
    await this.#unregister?.();
    // What it leaves is no worse than what a kill would.
    await this.#cache
      .close()
      .catch((error: unknown) => this.#log.error({ err: error }, 'the cache cannot be closed'));
    this.#options.log.info({}, 'handed over');
    // Nothing may be cleaned up from here on: all of it belongs to the other one.
    process.kill(process.pid, 'SIGKILL');
    return await new Promise<never>(() => {});
  }

  async #serveMetrics(address: DaemonOptions['metrics']): Promise<void> {
    if (address === undefined) return;
    const { serveMetrics } = await import('../base/metrics-server.ts');
    this.#metricsServer = await serveMetrics(address, () => this.#requests.metricsText());
    this.#log.info({ url: this.#metricsServer.url }, 'serving metrics');
  }

  /** Unmounts everything, writes the cache's state, stops listening. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const hangs = this.#cache.isDiskAway();
    // The control socket is removed by this very thread, from a folder on that disk.
    const work = hangs ? this.#closeMounts() : this.#closeAll();
    if ((await whileDiskAnswers(this.#cache, work)) && !hangs) return;
    // Threads of this process wait for the disk, and would keep it from ending in good order for as long.
    this.#log.error({}, 'stopped without the disk of the cache, which does not answer');
    await Promise.race([this.#keeper?.close(), delay(GOODBYE_MS)]);
    process.kill(process.pid, 'SIGKILL');
  }

  async #closeMounts(): Promise<void> {
    this.#abort.abort(new G8Error('ERR_ABORTED', 'The mount daemon is going away'));
    await this.#unregister?.();
    await this.mounts.close();
  }

  async #closeAll(): Promise<void> {
    this.#abort.abort(new G8Error('ERR_ABORTED', 'The mount daemon is going away'));
    this.#control?.close();
    await this.#metricsServer?.close();
    await this.#unregister?.();
    await this.mounts.close();
    this.#kernelLog.close();
    this.#diskWatch.close();
    await this.#kernel.close();
    await this.#images.collect(new Set());
    await this.#keeper?.close();
    await this.#cache.close();
    this.#log.info({}, 'stopped');
  }
}

function makeKeeper(
  { cacheDir, log, successor, standbys = 1, early }: DaemonOptions,
  onStarted: (pid: number) => Promise<void>,
): MountKeeper | undefined {
  if (successor === undefined) return undefined;
  const options = { cacheDir, addon: addon(), successor, standbys, log, early, onStarted };
  return new MountKeeper(options);
}
