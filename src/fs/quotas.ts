/** What the contents of each source take of the cache, and may take, for those who ask. */
import type { ContentCache } from '../cache/cache.ts';
import { shownSource } from '../store/http-url.ts';
import { quotaOf, type ServedMount } from './mount-record.ts';

export interface QuotaStatus {
  /** As `ps` shows it. */
  readonly source: string;
  readonly bytes: number;
  readonly bytesMax: number;
}

/** The bounds of the mounts there are: of several of one source that of the youngest. */
export function quotasOf(
  mounts: readonly ServedMount[],
  cache: Pick<ContentCache, 'ownedBytes'>,
): QuotaStatus[] {
  const quotas = new Map<string, QuotaStatus>();
  for (const { request } of mounts) {
    const quota = quotaOf(request);
    if (quota === undefined) continue;
    const source = shownSource(request.source);
    const bytes = cache.ownedBytes(quota.owner);
    quotas.set(source, { source, bytes, bytesMax: quota.bytesMax });
  }
  return [...quotas.values()];
}
