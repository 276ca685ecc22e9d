/** What `ps` is told of a mount: what it is, and how its cache and its daemon are. */
import type { DegradedReason, Trouble } from '../cache/health.ts';
import type { MountRecord } from './mount-record.ts';
import type { QuotaStatus } from './quotas.ts';

export interface ListedMount extends MountRecord {
  /** Bytes that count against its `cacheQuota`; null without one. */
  readonly cacheQuotaUsed: number | null;
  /** Why its readers are served from memory; null: they are not. */
  readonly degraded: DegradedReason | null;
  /** What the system said then. */
  readonly degradedBy: string | null;
  /** A successor stands by: if the daemon dies, readers wait for a tenth of a second. */
  readonly standby: boolean;
}

export interface MountSurroundings {
  readonly quotas: readonly QuotaStatus[];
  /** Of the cache. */
  readonly trouble: Pick<Trouble, 'reason' | 'message'> | undefined;
  readonly hasStandby: boolean;
}

export function listMounts(
  mounts: readonly MountRecord[],
  { quotas, trouble, hasStandby }: MountSurroundings,
): ListedMount[] {
  const { reason = null, message = null } = trouble ?? {};
  const used = new Map(quotas.map(({ source, bytes }) => [source, bytes]));
  return mounts.map((mount) => ({
    ...mount,
    cacheQuotaUsed: used.get(mount.quotaGroup ?? mount.source) ?? null,
    degraded: reason,
    degradedBy: message,
    standby: hasStandby && mount.kept,
  }));
}
