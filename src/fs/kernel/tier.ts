/**
 * The kernel tier of a daemon: finds out once whether the machine can do it, keeps the object mount and
 * mounts images. Decision: docs/decisions/0014-kernel-tier.md. Calls may overlap.
 */
import { join } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import type { Addon, HeldEntry } from '../../native/addon.ts';
import type { ChunkStore } from '../../store/store.ts';
import type { Demand } from '../demand.ts';
import type { ExplainedSession } from '../driver.ts';
import { sourceName } from '../driver-options.ts';
import type { Image } from '../images.ts';
import type { MountOrder } from '../make-mount.ts';
import { type MountRequest, quotaOf } from '../mount-record.ts';
import { makeUpperFolders, workDir } from '../overlay.ts';
import type { MountKeeper } from '../takeover/keeper.ts';
import { kernelImagePath } from './image.ts';
import { ObjectMount, type ObjectSource } from './objects.ts';
import {
  adoptKernelOverlay,
  type KernelOverlay,
  mountKernelOverlay,
  objectsDir,
} from './overlay.ts';
import { probeKernel } from './probe.ts';

export interface KernelTierOptions {
  readonly cacheDir: string;
  /** The cache's folder of complete content files. */
  readonly filesDir: string;
  readonly addon: Addon;
  readonly demand: Demand;
  readonly keeper?: MountKeeper | undefined;
}

export class KernelTier {
  readonly #options: KernelTierOptions;
  readonly #objects: ObjectMount;
  #probe: Promise<void> | undefined;
  #nextMetadata = 1;

  constructor(options: KernelTierOptions) {
    const { addon, cacheDir, filesDir, demand, keeper } = options;
    this.#options = options;
    const dir = objectsDir(cacheDir);
    this.#objects = new ObjectMount({ addon, dir, filesDir, demand, keeper });
  }

  /**
   * Mounts an image; it is gone when `onEnd` is called.
   *
   * @throws ERR_MOUNT and ERR_PERMISSION with why the tier cannot be used; ERR_FLIST_FORMAT, ERR_IO
   */
  async open(
    request: MountRequest,
    image: Image,
    store: ChunkStore,
    onEnd: () => void,
  ): Promise<ExplainedSession> {
    const { addon, cacheDir, filesDir } = this.#options;
    const { mountPoint, deadlineMs, upper } = request;
    if (request.driver !== 'native') {
      throw new G8Error('ERR_USAGE', `The driver ${request.driver} serves FUSE mounts only`);
    }
    if (request.record !== undefined) {
      throw new G8Error('ERR_USAGE', 'A start profile is recorded by FUSE mounts only');
    }
    await this.#check();
    const metadataImage = await kernelImagePath(image.dir);
    const objects = await this.#objects.add({
      ...{ mountPoint, indexDir: image.dir, store, deadlineMs, quota: quotaOf(request) },
    });
    try {
      const work = request.work ?? (upper === undefined ? undefined : workDir(upper));
      const isWritable = upper !== undefined && work !== undefined;
      if (isWritable) await makeUpperFolders(upper, work);
      const overlay = await mountKernelOverlay(addon, {
        image: metadataImage,
        metadata: join(cacheDir, 'run', 'metadata', String(this.#nextMetadata++)),
        data: [filesDir, this.#objects.dir],
        upper: isWritable ? { dir: upper, work } : undefined,
        source: sourceName(request.source),
        target: mountPoint,
        onEnd: () => {
          objects.remove();
          onEnd();
        },
      });
      return this.#session(objects, overlay);
    } catch (error) {
      objects.remove();
      throw error;
    }
  }

  #session({ source }: ObjectSource, overlay: KernelOverlay): ExplainedSession {
    return {
      driver: 'native',
      tier: 'kernel',
      passthrough: true,
      stats: () => this.#objects.stats(),
      requests: () => this.#objects.requests(),
      // What the kernel opens by itself nobody sees.
      opens: () => [],
      contents: source.contents,
      misses: source.misses,
      foresight: source.foresight,
      close: (options) => overlay.close(options),
    };
  }

  /** See `ObjectMount.adopt`. */
  async adoptObjects(entry: HeldEntry): Promise<void> {
    await this.#objects.adopt(entry);
  }

  /** See `ObjectMount.lose`. */
  async loseObjects(): Promise<void> {
    await this.#objects.lose();
  }

  /** All overlays of the predecessor are adopted: what they read through is answered again. */
  async resumeObjects(): Promise<void> {
    await this.#objects.resume();
  }

  /**
   * Goes on with an overlay that a predecessor has mounted. The kernel tells its end to nobody any more: it is
   * over when it is not in the table of mounts.
   *
   * @throws ERR_MOUNT when it is gone; ERR_FLIST_FORMAT
   */
  async adopt({
    request,
    image,
    store,
    onEnd,
  }: Omit<MountOrder, 'lower'>): Promise<ExplainedSession> {
    const { mountPoint, deadlineMs } = request;
    const overlay = adoptKernelOverlay(this.#options.addon, mountPoint, this.#options.cacheDir);
    const objects = await this.#objects.add({
      ...{ mountPoint, indexDir: image.dir, store, deadlineMs, quota: quotaOf(request) },
    });
    const session = this.#session(objects, overlay);
    return {
      ...session,
      isThere: overlay.isThere,
      close: async (options) => {
        if (options.leaveMounted !== true) await overlay.close(options);
        objects.remove();
        onEnd();
      },
    };
  }

  /** After all mounts were closed. Overlays that are still in use keep what is in the cache. */
  async close(): Promise<void> {
    await this.#objects.close();
  }

  #check(): Promise<void> {
    const { addon, cacheDir } = this.#options;
    // Once: what a kernel cannot do it will not learn while it runs.
    this.#probe ??= probeKernel(join(cacheDir, 'run', 'probe'), addon);
    return this.#probe;
  }
}
