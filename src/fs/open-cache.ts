/** Opens the cache of a daemon, which one before it may just be leaving. */
import { setTimeout as delay } from 'node:timers/promises';
import { createAbortController } from '../base/abort.ts';
import { isG8Error, toG8Error } from '../base/errors.ts';
import { ContentCache } from '../cache/cache.ts';
import type { CacheOptions } from '../cache/cache-options.ts';
import { doubtOf, fileSystemOf } from '../cache/file-system.ts';
import { ANSWER_MS, isDiskFailure, probePath } from '../cache/health.ts';
import { CacheLayout } from '../cache/layout.ts';
import type { Addon } from '../native/addon.ts';
import type { DaemonOptions } from './daemon-options.ts';
import { logHealth } from './health-log.ts';
import { isDying } from './registry.ts';
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
  await warnOfFuse(cacheDir, log);
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
  const opening = whenFree(early !== undefined, cacheOptions);
  if (early === undefined) return await opening;
  const { registryDir } = options;
  const tmp = new CacheLayout(cacheDir).tmp;
  let failure = 'The disk does not answer';
  let isSilent = true;
  try {
    const cache = await whileAnswering(opening, () => addon.probeDisk(probePath(tmp)));
    if (cache !== undefined) {
      await removeStandIns(registryDir);
      return cache;
    }
  } catch (error) {
    if (!isDiskFailure(error)) throw error;
    failure = toG8Error(error, 'ERR_IO', 'The cache cannot be used').message;
    isSilent = false;
  }
  // A line written to a disk that does not answer would stop this thread.
  if (isSilent) log.hold?.(true);
  const standIn = await standInFor(cacheOptions, {
    parent: registryDir,
    failure,
    ...(isSilent ? { opening } : {}),
    onEnd: () => log.hold?.(false),
  });
  return await ContentCache.open(standIn);
}

async function warnOfFuse(cacheDir: string, log: DaemonOptions['log']): Promise<void> {
  // Whoever opens the cache there meets the same error, and knows what follows from it.
  const fileSystem = await fileSystemOf(cacheDir).catch(() => undefined);
  if (fileSystem === undefined) return;
  const doubt = doubtOf(fileSystem);
  if (doubt !== undefined) log.warn({ cacheDir, fileSystem }, `the cache lies on FUSE: ${doubt}`);
}

/**
 * Waits for something that is in the disk's hands for as long as it takes, if the disk gives signs of life.
 *
 * @param probe has come to an end when the disk has answered, whatever it has said
 * @returns `undefined` when the disk does not answer
 * @throws what the work throws
 */
async function whileAnswering<T>(
  work: Promise<T>,
  probe: () => Promise<void>,
): Promise<T | undefined> {
  const done = ended(work);
  for (;;) {
    if (await within(ANSWER_MS, done)) return await work;
    const sign = ended(probe());
    if (!(await within(ANSWER_MS, Promise.race([done, sign])))) return undefined;
  }
}

async function ended(work: Promise<unknown>): Promise<true> {
  await work.catch(() => {});
  return true;
}

async function within(ms: number, done: Promise<true>): Promise<boolean> {
  const over = createAbortController();
  const bound = delay(ms, false, { signal: over.signal }).catch(() => false);
  return await Promise.race([done, bound]).finally(() => over.abort());
}

/**
 * @param waits a predecessor may still be ending: its process goes before its lock does, by as long as a disk does not
 *   answer
 */
async function whenFree(waits: boolean, options: CacheOptions): Promise<ContentCache> {
  const start = performance.now();
  for (;;) {
    try {
      return await ContentCache.open(options);
    } catch (error) {
      const isBusy = waits && isG8Error(error, 'ERR_CACHE_LOCKED');
      const isOver = performance.now() > start + LOCK_TIMEOUT_MS;
      if (!isBusy || (isOver && !isDying(Number(error.details?.['pid'])))) throw error;
      await delay(Math.max(LOCK_DELAY_MS, (performance.now() - start) / 10));
    }
  }
}
