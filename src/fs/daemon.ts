/**
 * The mount daemon: owns one cache and all mounts that read through it. Commands talk to it over the
 * control socket; it ends by itself when its last mount is gone.
 */
import type { Server } from 'node:net';
import { join } from 'node:path';
import { G8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import type { MetricsServer } from '../base/metrics-server.ts';
import { ContentCache } from '../cache/cache.ts';
import type { DegradedReason } from '../cache/health.ts';
import type { VerifyProgress } from '../cache/verify.ts';
import type { Profile } from '../format/profile.ts';
import { addon } from '../native/load.ts';
import { HealthTable } from '../store/health.ts';
import { shownSource } from '../store/http-url.ts';
import { AbandonedReads } from './abandoned-reads.ts';
import type { Policy } from './admission.ts';
import { controlSocket } from './client.ts';
import { serveControl } from './control.ts';
import { Demand } from './demand.ts';
import { Explainer } from './explain.ts';
import { logHealth } from './health-log.ts';
import { ImageStore } from './images.ts';
import { KernelTier } from './kernel/tier.ts';
import { KernelLog } from './kernel-log.ts';
import { withinKernelTimeout } from './kernel-timeout.ts';
import type { Logger } from './log.ts';
import { MountMetrics } from './metrics.ts';
import { LazyStore, openMountStore } from './mount-store.ts';
import { type MountRecord, MountTable } from './mounts.ts';
import { openDriver } from './open-driver.ts';
import { Pacer } from './pacer.ts';
import { mayCommand } from './peer.ts';
import { Prefetch } from './prefetch.ts';
import { register } from './registry.ts';
import {
  parseMountPoint,
  parseMountRequest,
  parseTraceRequest,
  parseUnmountRequest,
  parseVerifyRequest,
} from './requests.ts';
import { SLOW_READ_MS, SlowReads } from './slow-reads.ts';
import { detachLeftovers } from './unmount.ts';

export interface DaemonOptions {
  readonly cacheDir: string;
  readonly registryDir: string;
  readonly sizeMaxBytes?: number;
  readonly freeFloorBytes?: number;
  /** Verify the cache in the background at this rate; default 0, not at all. */
  readonly scrubBytesPerSecond?: number;
  readonly log: Logger;
  /** Version of the program, for the metrics. */
  readonly version: string;
  /** A read that waits this long is told of in the log; default {@link SLOW_READ_MS}. */
  readonly slowReadMs?: number;
  /** The administrator's rules for what may be mounted. */
  readonly policy?: Policy;
  /** Where to serve metrics over HTTP; default nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number };
  /** Called when the last mount is gone. */
  readonly onEmpty: () => void;
}

/** What was verified, and how many bad contents are whole again. */
export interface VerifyReport extends VerifyProgress {
  readonly repaired: number;
}

/** A mount, and how the disk of its cache is. */
export interface ListedMount extends MountRecord {
  /** Why its readers are served from memory; null: they are not. */
  readonly degraded: DegradedReason | null;
  /** What the system said then. */
  readonly degradedBy: string | null;
}

export class Daemon {
  readonly mounts: MountTable;
  readonly #cache: ContentCache;
  readonly #images: ImageStore;
  readonly #kernel: KernelTier;
  readonly #log: Logger;
  readonly #kernelLog: KernelLog;
  readonly #explainer: Explainer;
  readonly #metrics = new MountMetrics();
  readonly #health = new HealthTable();
  readonly #version: string;
  #metricsServer: MetricsServer | undefined;
  readonly #abort = new AbortController();
  #control: Server | undefined;
  #unregister: (() => Promise<void>) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: DaemonOptions, cache: ContentCache) {
    const { cacheDir, log } = options;
    this.#cache = cache;
    this.#log = log;
    this.#version = options.version;
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
      fetchFlist: async (url, fetchOptions) =>
        (await import('./fetch-flist.ts')).fetchFlist(url, fetchOptions),
    });
    const pacer = new Pacer();
    const slowReadMs = options.slowReadMs ?? SLOW_READ_MS;
    const slowReads = new SlowReads({ thresholdMs: slowReadMs, log });
    const abandoned = new AbandonedReads(addon());
    const demand = new Demand({ cache, contents: addon(), log, pacer, slowReads, abandoned });
    this.#kernel = new KernelTier({
      cacheDir,
      filesDir: cache.layout.files,
      addon: addon(),
      demand,
    });
    this.mounts = new MountTable({
      images: this.#images,
      lowerDir: join(cacheDir, 'run', 'lower'),
      cacheDir,
      log,
      policy: options.policy,
      openStore: (request, image) => openMountStore({ ...request, image, health: this.#health }),
      // The first miss should not wait for the HTTP client. What fails here fails again there.
      onMounted: (store) => {
        if (store instanceof LazyStore) store.warmUp().catch(() => {});
      },
      openDriver: (driver, driverOptions, store, onEnd) =>
        openDriver(driver, { ...driverOptions, cache, demand, store, onEnd }),
      openKernel: this.#kernel.open.bind(this.#kernel),
      preparePrefetch: (request, { profile: place, ...rest }) => {
        const { mountPoint } = request;
        // Read while the image is opened: both may be far away.
        const profile = this.#readProfile(place ?? request.source, place !== undefined);
        profile.catch(() => {});
        return (image, store, misses) =>
          new Prefetch({
            ...{ ...rest, mountPoint, cache, store, misses, profile, pacer, log },
            indexDir: image.dir,
          });
      },
      onUnmount: (mount) => this.#metrics.onUnmount(mount),
      onEmpty: options.onEmpty,
    });
    this.#kernelLog = new KernelLog(cacheDir, (error) => cache.noteDiskError(error));
    this.#explainer = new Explainer(this.mounts, cache, slowReadMs);
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
    const binding = addon();
    const cache = await ContentCache.open({
      dir: cacheDir,
      addon: binding,
      ...(options.sizeMaxBytes === undefined ? {} : { sizeMaxBytes: options.sizeMaxBytes }),
      ...(options.freeFloorBytes === undefined ? {} : { freeFloorBytes: options.freeFloorBytes }),
      scrubBytesPerSecond: options.scrubBytesPerSecond,
      residency: {
        attach: (digest, file) => binding.contentAttach(digest, file),
        drop: (digest) => binding.contentDrop(digest),
        touched: () => binding.contentTouched(),
        present: (digest, block, count) => binding.contentPresent(digest, block, count),
        complete: (digest) => binding.contentComplete(digest),
        lend: (digest, block, bytes) => binding.contentLend(digest, block, bytes),
        trust: (trust) => binding.trustDisk(trust),
      },
      onHealth: (event) => logHealth(options.log, cacheDir, event),
    });
    const daemon = new Daemon(options, cache);
    try {
      for (const mountPoint of await detachLeftovers(runDir)) {
        options.log.warn({ mountPoint }, 'detached a mount whose daemon died');
      }
      const socket = controlSocket(cacheDir);
      daemon.#control = await serveControl(
        socket,
        (method, params) => daemon.handle(method, params),
        (peer) => mayCommand(peer, addon()),
      );
      await daemon.#serveMetrics(options.metrics);
      daemon.#unregister = await register(options.registryDir, {
        pid: process.pid,
        cacheDir,
        socket,
      });
    } catch (error) {
      await daemon.close();
      throw error;
    }
    return daemon;
  }

  /**
   * Answers one control request; `params` is unchecked input.
   *
   * @throws ERR_PROTOCOL for an unknown method or wrong fields, and whatever the operation throws
   */
  async handle(method: string, params: unknown): Promise<unknown> {
    switch (method) {
      case 'mount':
        return this.mounts.mount(
          withinKernelTimeout(parseMountRequest(params), this.#log),
          this.#abort.signal,
        );
      case 'unmount': {
        const { mountPoint, lazy } = parseUnmountRequest(params);
        return this.mounts.unmount(mountPoint, lazy);
      }
      case 'prefetch':
        return this.mounts.prefetchStatus(parseMountPoint(params));
      case 'list':
        return this.#list();
      case 'figures':
        return this.#explainer.figures();
      case 'stats':
        return this.#explainer.stats(parseMountPoint(params));
      case 'trace': {
        const { mountPoint, after } = parseTraceRequest(params);
        return this.#explainer.trace(mountPoint, after);
      }
      case 'metrics':
        return this.#metricsText();
      case 'cache.status':
        return this.#cache.status();
      case 'cache.gc':
        await this.#images.collect(this.mounts.images());
        return this.#cache.gc({});
      case 'cache.verify':
        return this.#verify(parseVerifyRequest(params).repair);
      default:
        throw new G8Error('ERR_PROTOCOL', `The mount daemon does not know the request ${method}`);
    }
  }

  async #verify(repairs: boolean): Promise<VerifyReport> {
    const { signal } = this.#abort;
    const progress = await this.#cache.verify({ signal });
    const { corrupt } = progress;
    if (!repairs) return { ...progress, repaired: 0 };
    const { refetch } = await import('./repair.ts');
    const repaired = await refetch(this.#cache, this.mounts.served(), corrupt, signal);
    return { ...progress, repaired };
  }

  #list(): ListedMount[] {
    const { reason = null, message = null } = this.#cache.trouble ?? {};
    return this.mounts.list().map((mount) => ({ ...mount, degraded: reason, degradedBy: message }));
  }

  async #metricsText(): Promise<string> {
    const status = await this.#cache.status();
    return this.#metrics.text(this.#version, this.mounts.served(), status, this.#health.reports());
  }

  async #serveMetrics(address: DaemonOptions['metrics']): Promise<void> {
    if (address === undefined) return;
    const { serveMetrics } = await import('../base/metrics-server.ts');
    this.#metricsServer = await serveMetrics(address, () => this.#metricsText());
    this.#log.info({ url: this.#metricsServer.url }, 'serving metrics');
  }

  /** Unmounts everything, writes the cache's state, stops listening. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#abort.abort(new G8Error('ERR_ABORTED', 'The mount daemon is going away'));
    this.#control?.close();
    await this.#metricsServer?.close();
    await this.#unregister?.();
    await this.mounts.close();
    this.#kernelLog.close();
    await this.#kernel.close();
    await this.#images.collect(new Set());
    await this.#cache.close();
    this.#log.info({}, 'stopped');
  }
}
