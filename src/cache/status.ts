/** What a cache tells of itself. */
import { countCorrupt } from './corrupt.ts';
import type { Evictor } from './evict.ts';
import type { DegradedReason, DiskHealth } from './health.ts';
import type { CacheParts, Counters } from './parts.ts';
import type { Recovery } from './recover.ts';

export interface CacheStatus extends Readonly<Counters> {
  readonly dir: string;
  /** Of the cache's folder: `ext4`, `xfs`, `btrfs`, `tmpfs`, `overlay`, …, or a number in hex. */
  readonly fileSystem: string;
  readonly files: number;
  readonly partialFiles: number;
  /** Bytes allocated for contents. */
  readonly bytes: number;
  readonly sizeMaxBytes: number;
  readonly freeBytes: number;
  readonly freeFloorBytes: number;
  /** Blocks and chunks being loaded now. */
  readonly loading: number;
  /** State batches that failed (the disk was full or broken). */
  readonly stateFailures: number;
  /** Why readers are served from memory; null: they are not. */
  readonly degraded: DegradedReason | null;
  /** What the system said then. */
  readonly degradedBy: string | null;
  /** A file could not be read lately: none is handed to the kernel. */
  readonly suspect: boolean;
  /** Files with wrong or unreadable bytes that are kept aside. */
  readonly keptCorrupt: number;
  /** Files set aside after a power loss are still being sorted out. */
  readonly recovering: boolean;
}

export async function statusOf(cache: {
  readonly parts: CacheParts;
  readonly evictor: Evictor;
  readonly health: DiskHealth;
  readonly recovery: Recovery;
  readonly loading: number;
}): Promise<CacheStatus> {
  const { evictor, health, recovery, loading } = cache;
  const { catalog, counters, layout, state } = cache.parts;
  const { files, partialFiles, bytes } = catalog.totals;
  return {
    dir: layout.dir,
    fileSystem: cache.parts.fileSystem,
    files,
    partialFiles,
    bytes,
    ...(await evictor.limits()),
    freeBytes: await evictor.freeBytes(),
    ...counters,
    loading,
    stateFailures: state.failures,
    degraded: health.trouble?.reason ?? null,
    degradedBy: health.trouble?.message ?? null,
    suspect: health.isSuspect,
    keptCorrupt: await countCorrupt(layout),
    recovering: recovery.active,
  };
}
