/** How a mount is listed that nobody serves: what the keeper knows of it. */
import { shownSource } from '../../store/http-url.ts';
import type { MountRecord } from '../mount-record.ts';
import type { HeldMountState } from './held-state.ts';

export function heldRecord(state: HeldMountState): Omit<MountRecord, 'kept'> {
  return {
    mountPoint: state.request.mountPoint,
    source: shownSource(state.request.source),
    image: state.image,
    driver: state.request.driver,
    tier: state.tier,
    fallback: state.fallback ?? null,
    passthrough: false,
    upper: state.request.upper ?? null,
    since: state.since,
    stats: {},
    prefetch: null,
    record: null,
    cacheQuota: state.request.cacheQuota ?? null,
    quotaGroup: state.request.quotaGroup ?? null,
    restoring: true,
    quarantine: null,
  };
}
