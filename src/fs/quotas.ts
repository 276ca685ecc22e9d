/** What each source may take of the cache by the administrator's rules, and what it takes, for those who ask. */
import type { ContentCache } from '../cache/cache.ts';
import type { QuotaRule } from '../config/cache-quotas.ts';
import { type MountRequest, quotaName, quotaOf, type ServedMount } from './mount-record.ts';
import { fitsPattern, plainSource } from './source-pattern.ts';

export interface QuotaStatus {
  /** As `ps` shows it, or what those begin with who share the bound. */
  readonly source: string;
  readonly bytes: number;
  readonly bytesMax: number;
}

/**
 * The request with the bound of the first rule that fits, unless it has one itself. It stays part of the request: who
 * takes the mount over has the same, whatever the rules are then.
 */
export function withQuota(request: MountRequest, rules: readonly QuotaRule[]): MountRequest {
  if (request.cacheQuota !== undefined || rules.length === 0) return request;
  const source = spelled(request.source);
  const rule = rules.find(({ pattern }) => fitsPattern(source, pattern));
  if (rule === undefined) return request;
  const { pattern, bytesMax, isTogether } = rule;
  return { ...request, cacheQuota: bytesMax, ...(isTogether ? { quotaGroup: pattern } : {}) };
}

/** A source that is not there is not mounted: let that be said by who opens it. */
function spelled(source: string): string {
  try {
    return plainSource(source);
  } catch {
    return source;
  }
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
    const source = quotaName(request);
    const bytes = cache.ownedBytes(quota.owner);
    quotas.set(source, { source, bytes, bytesMax: quota.bytesMax });
  }
  return [...quotas.values()];
}
