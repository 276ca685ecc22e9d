/** What a cache tells of itself. */
import { setTimeout as delay } from 'node:timers/promises';
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

/** What only the disk can say. */
export interface DiskFacts {
  readonly sizeMaxBytes: number;
  readonly freeFloorBytes: number;
  readonly freeBytes: number;
  readonly keptCorrupt: number;
}

/** Longer than a disk that answers needs for a few names. */
const DISK_WAIT_MS = 1_000;

/** What it said last, when it does not say it now. */
export class LastFacts {
  #facts: DiskFacts = { sizeMaxBytes: 0, freeFloorBytes: 0, freeBytes: 0, keptCorrupt: 0 };

  async ask({ parts, evictor, health }: FactSources): Promise<DiskFacts> {
    if (health.hangs) return this.#facts;
    const asked = this.#ask(parts, evictor);
    asked.catch(() => {});
    const silence = new AbortController();
    const waited = delay(DISK_WAIT_MS, 'silent', { signal: silence.signal, ref: false });
    waited.catch(() => {});
    const answer = await Promise.race([asked, waited]);
    silence.abort();
    if (answer === 'silent') health.doubt();
    return this.#facts;
  }

  async #ask({ layout }: CacheParts, evictor: Evictor): Promise<void> {
    const limits = await evictor.limits();
    const freeBytes = await evictor.freeBytes();
    this.#facts = { ...limits, freeBytes, keptCorrupt: await countCorrupt(layout) };
  }
}

interface FactSources {
  readonly parts: CacheParts;
  readonly evictor: Evictor;
  readonly health: DiskHealth;
}

export async function statusOf(cache: {
  readonly facts: LastFacts;
  readonly parts: CacheParts;
  readonly evictor: Evictor;
  readonly health: DiskHealth;
  readonly recovery: Recovery;
  readonly loading: number;
}): Promise<CacheStatus> {
  const { facts, health, recovery, loading } = cache;
  const { catalog, counters, layout, state } = cache.parts;
  const known = await facts.ask(cache);
  const { files, partialFiles, bytes } = catalog.totals;
  return {
    dir: layout.dir,
    fileSystem: cache.parts.fileSystem,
    files,
    partialFiles,
    bytes,
    sizeMaxBytes: known.sizeMaxBytes,
    freeBytes: known.freeBytes,
    freeFloorBytes: known.freeFloorBytes,
    ...counters,
    loading,
    stateFailures: state.failures,
    degraded: health.trouble?.reason ?? null,
    degradedBy: health.trouble?.message ?? null,
    suspect: health.isSuspect,
    keptCorrupt: known.keptCorrupt,
    recovering: recovery.active,
  };
}
