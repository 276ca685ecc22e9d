/** Opens a cache that a daemon before this one may just be leaving. */
import { setTimeout as delay } from 'node:timers/promises';
import { isG8Error } from '../base/errors.ts';
import { type CacheOptions, ContentCache } from '../cache/cache.ts';

/** For a predecessor that was killed and whose process is still being taken down. */
const LOCK_TIMEOUT_MS = 5_000;
const LOCK_DELAY_MS = 10;

/**
 * @param waits a predecessor may still be ending: its process goes before its lock does
 * @throws as `ContentCache.open`
 */
export async function openCache(waits: boolean, options: CacheOptions): Promise<ContentCache> {
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
