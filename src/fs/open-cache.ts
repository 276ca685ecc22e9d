/** Opens the cache of a daemon, which one before it may just be leaving. */
import { setTimeout as delay } from 'node:timers/promises';
import { isG8Error, toG8Error } from '../base/errors.ts';
import { ContentCache } from '../cache/cache.ts';
import type { CacheOptions } from '../cache/cache-options.ts';
import { doubtOf, fileSystemOf } from '../cache/file-system.ts';
import { isDiskFailure } from '../cache/health.ts';
import type { Addon } from '../native/addon.ts';
import type { DaemonOptions } from './daemon-options.ts';
import { logHealth } from './health-log.ts';
import { removeStandIns, standInFor } from './stand-in.ts';

/** For a predecessor that was killed and whose process is still being taken down. */
const LOCK_TIMEOUT_MS = 5_000;
const LOCK_DELAY_MS = 10;

/**
 * A daemon that takes over and cannot use the disk of its cache gets one that stands in for it.
 *
 * @param onOpened told from time to time which contents were opened: their digests, concatenated
 * @throws as `ContentCache.open`
 */
export async function openCache(
  options: DaemonOptions,
  addon: Addon,
  onOpened: (digests: Uint8Array) => void,
): Promise<ContentCache> {
  const { cacheDir, sizeMaxBytes, freeFloorBytes, scrubBytesPerSecond, log, early } = options;
  const fileSystem = await fileSystemOf(cacheDir);
  const doubt = doubtOf(fileSystem);
  if (doubt !== undefined) log.warn({ cacheDir, fileSystem }, `the cache lies on FUSE: ${doubt}`);
  const cacheOptions: CacheOptions = {
    dir: cacheDir,
    addon,
    ...(sizeMaxBytes === undefined ? {} : { sizeMaxBytes }),
    ...(freeFloorBytes === undefined ? {} : { freeFloorBytes }),
    scrubBytesPerSecond,
    probeDisk: (path) => addon.probeDisk(path),
    residency: {
      attach: (digest, file) => addon.contentAttach(digest, file),
      drop: (digest) => addon.contentDrop(digest),
      touched: () => {
        const digests = addon.contentTouched();
        onOpened(digests);
        return digests;
      },
      present: (digest, block, count) => addon.contentPresent(digest, block, count),
      complete: (digest) => addon.contentComplete(digest),
      lend: (digest, block, bytes) => addon.contentLend(digest, block, bytes),
      trust: (trust) => addon.trustDisk(trust),
    },
    onHealth: (event) => logHealth(log, cacheDir, event),
  };
  const { registryDir } = options;
  try {
    const cache = await whenFree(early !== undefined, cacheOptions);
    if (early !== undefined) await removeStandIns(registryDir);
    return cache;
  } catch (error) {
    if (early === undefined || !isDiskFailure(error)) throw error;
    const { message } = toG8Error(error, 'ERR_IO', 'The cache cannot be used');
    const place = { parent: registryDir, failure: message };
    return await ContentCache.open(await standInFor(cacheOptions, place));
  }
}

/** @param waits a predecessor may still be ending: its process goes before its lock does */
async function whenFree(waits: boolean, options: CacheOptions): Promise<ContentCache> {
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    try {
      return await ContentCache.open(options);
    } catch (error) {
      const isBusy = waits && isG8Error(error, 'ERR_CACHE_LOCKED');
      if (!isBusy || performance.now() > deadline) throw error;
      await delay(LOCK_DELAY_MS);
    }
  }
}
