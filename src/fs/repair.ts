/** Fetches contents again that were bad, for the mounts that have them; others come when they are read. */
import { fromHex } from '../base/bytes.ts';
import { isG8Error } from '../base/errors.ts';
import type { ContentCache } from '../cache/cache.ts';
import { contentRef } from './content-ref.ts';
import { quotaOf, type ServedMount } from './mount-record.ts';

/**
 * @param keys digests of the contents, in hex
 * @returns how many are whole again
 */
export async function refetch(
  cache: Pick<ContentCache, 'prefetch'>,
  mounts: readonly ServedMount[],
  keys: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const key of keys) {
    const digest = fromHex(key);
    if (digest !== undefined && (await refetchOne(cache, mounts, digest, signal))) count++;
  }
  return count;
}

/** By the first mount whose store has it. */
async function refetchOne(
  cache: Pick<ContentCache, 'prefetch'>,
  mounts: readonly ServedMount[],
  digest: Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  for (const { request, session, store } of mounts) {
    const index = session.contents.findByDigest(digest);
    if (index === undefined) continue;
    try {
      const ref = contentRef(session.contents, index);
      const quota = quotaOf(request);
      await cache.prefetch([ref], { store, priority: 'background', signal, quota });
      return true;
    } catch (error) {
      // Another mount's store may do better.
      if (isG8Error(error, 'ERR_ABORTED')) throw error;
    }
  }
  return false;
}
