/** What the daemon answers over its control socket. */
import { G8Error } from '../base/errors.ts';
import type { ContentCache } from '../cache/cache.ts';
import type { CacheStatus } from '../cache/status.ts';
import type { VerifyProgress } from '../cache/verify.ts';
import type { HealthTable } from '../store/health.ts';
import type { Explainer } from './explain.ts';
import type { ImageStore } from './images.ts';
import { withinKernelTimeout } from './kernel-timeout.ts';
import { type ListedMount, listMounts } from './listed-mount.ts';
import type { Logger } from './log.ts';
import type { MountMetrics } from './metrics.ts';
import type { MountRecord } from './mount-record.ts';
import type { MountTable } from './mounts.ts';
import { type QuotaStatus, quotasOf } from './quotas.ts';
import {
  parseMountPoint,
  parseMountRequest,
  parseSource,
  parseTraceRequest,
  parseUnmountRequest,
  parseVerifyRequest,
} from './requests.ts';
import type { MountKeeper } from './takeover/keeper.ts';
import type { PendingRestores } from './takeover/pending-restores.ts';
import type { Quarantine } from './takeover/quarantine.ts';

/**
 * How long an answer waits for mounts of a predecessor, which are restored within a tenth of a second: what it shows is
 * whole then. What does not depend on one that takes longer is answered without it.
 */
const RESTORE_PATIENCE_MS = 1_000;

/** What was verified, and how many bad contents are whole again. */
export interface VerifyReport extends VerifyProgress {
  readonly repaired: number;
}

export interface ControlRequestsOptions {
  readonly mounts: MountTable;
  readonly images: ImageStore;
  readonly cache: ContentCache;
  readonly quarantine: Quarantine;
  readonly pending: PendingRestores;
  readonly keeper: MountKeeper | undefined;
  readonly explainer: Explainer;
  readonly metrics: MountMetrics;
  readonly stores: HealthTable;
  readonly log: Logger;
  readonly version: string;
  /** Of the daemon's command line, for whoever starts its successor. */
  readonly flags: readonly string[];
  /** Aborted when the daemon goes away. */
  readonly signal: AbortSignal;
  /** Ends the process in favour of another one. */
  readonly handOver: () => Promise<never>;
}

export class ControlRequests {
  readonly #options: ControlRequestsOptions;

  constructor(options: ControlRequestsOptions) {
    this.#options = options;
  }

  /**
   * Answers one request; `params` is unchecked input.
   *
   * @throws ERR_PROTOCOL for an unknown method or wrong fields, and whatever the operation throws
   */
  async handle(method: string, params: unknown): Promise<unknown> {
    const { mounts, images, cache, explainer, pending, signal } = this.#options;
    await pending.settledWithin(RESTORE_PATIENCE_MS);
    switch (method) {
      case 'mount':
        return this.#mount(params);
      case 'expect':
        return images.expect(parseSource(params), signal);
      case 'unmount':
        return this.#unmount(params);
      case 'about':
        return this.#about();
      case 'hand-over':
        // What is not restored yet is not this daemon's to hand over.
        await pending.allSettled();
        return this.#options.handOver();
      case 'prefetch':
        return mounts.prefetchStatus(parseMountPoint(params));
      case 'list':
        return this.#list();
      case 'figures':
        return explainer.figures();
      case 'stats':
        return explainer.stats(parseMountPoint(params));
      case 'trace': {
        const { mountPoint, after } = parseTraceRequest(params);
        return explainer.trace(mountPoint, after);
      }
      case 'metrics':
        return this.metricsText();
      case 'cache.status':
        return this.#cacheStatus();
      case 'cache.gc':
        await images.collect(new Set([...mounts.images(), ...pending.images()]));
        return cache.gc({});
      case 'cache.verify':
        return this.#verify(parseVerifyRequest(params).repair);
      default:
        throw new G8Error('ERR_PROTOCOL', `The mount daemon does not know the request ${method}`);
    }
  }

  /** In the text format of Prometheus. */
  async metricsText(): Promise<string> {
    const { mounts, quarantine, cache, metrics, stores, version } = this.#options;
    // Mounts may go away while that is waited for; then they are among those that have gone.
    const status = await cache.status();
    return metrics.text({
      version,
      mounts: mounts.served(),
      quarantined: quarantine.size,
      cache: status,
      stores: stores.reports(),
      hasStandby: this.#hasStandby,
    });
  }

  async #mount(params: unknown): Promise<MountRecord> {
    const { mounts, pending, log, signal } = this.#options;
    const request = withinKernelTimeout(parseMountRequest(params), log);
    await pending.settled(request.mountPoint);
    if (request.onto !== undefined) await pending.settled(request.onto.mountPoint);
    return await mounts.mount(request, signal);
  }

  async #unmount(params: unknown): Promise<void> {
    const { mounts, quarantine, pending } = this.#options;
    const { mountPoint, lazy } = parseUnmountRequest(params);
    await pending.settled(mountPoint);
    if (!(await quarantine.drop(mountPoint))) return await mounts.unmount(mountPoint, lazy);
    mounts.checkEmpty();
  }

  #about(): Record<string, unknown> {
    const { keeper, version, flags } = this.#options;
    return { pid: process.pid, version, flags, standby: keeper?.standby ?? null };
  }

  #list(): ListedMount[] {
    const { mounts, quarantine, pending, cache } = this.#options;
    const listed = [...mounts.list(), ...quarantine.list()];
    const known = new Set(listed.map(({ mountPoint }) => mountPoint));
    const others = pending.list().filter(({ mountPoint }) => !known.has(mountPoint));
    return listMounts([...listed, ...others], {
      quotas: this.#quotas(),
      trouble: cache.trouble,
      hasStandby: this.#hasStandby,
    });
  }

  get #hasStandby(): boolean {
    return this.#options.keeper?.standby !== undefined;
  }

  #quotas(): QuotaStatus[] {
    const { mounts, cache } = this.#options;
    return quotasOf(mounts.served(), cache);
  }

  async #cacheStatus(): Promise<CacheStatus & { readonly quotas: readonly QuotaStatus[] }> {
    return { ...(await this.#options.cache.status()), quotas: this.#quotas() };
  }

  async #verify(repairs: boolean): Promise<VerifyReport> {
    const { mounts, cache, signal } = this.#options;
    const progress = await cache.verify({ signal });
    if (!repairs) return { ...progress, repaired: 0 };
    const { refetch } = await import('./repair.ts');
    const repaired = await refetch(cache, mounts.served(), progress.corrupt, signal);
    return { ...progress, repaired };
  }
}
