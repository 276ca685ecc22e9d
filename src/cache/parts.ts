/** What the parts of one open cache share. Assembled by `cache.ts`; no behaviour here. */
import type { KeyedLock } from '../base/keyed-lock.ts';
import type { CodecBinding } from '../native/addon.ts';
import type { Catalog } from './catalog.ts';
import type { PartialContent } from './content.ts';
import type { CacheLayout } from './layout.ts';
import type { Partials } from './partials.ts';
import type { Residency } from './residency.ts';
import type { State } from './state.ts';

/** Counted since the cache was opened. */
export interface Counters {
  /** Contents found complete when they were opened or attached. */
  hits: number;
  /** Blocks that had to be fetched. */
  misses: number;
  fetchedChunks: number;
  /** Stored bytes that came from stores. */
  fetchedBytes: number;
  copiedBlocks: number;
  /** Plain bytes copied from other content files instead of fetched. */
  copiedBytes: number;
  /** Chunks that did not match their digest as they came from a store. */
  corruptChunks: number;
  /** Blocks served from memory because the disk did not take them or give them back. */
  lentBlocks: number;
  lentBytes: number;
  /** Content files whose bytes did not match their digest, or could not be read. */
  corruptFiles: number;
  /** Blocks of partial files that an earlier process left and that did not match. */
  rejectedBlocks: number;
  /** Complete files that a power loss left damaged. */
  rejectedFiles: number;
  evictedFiles: number;
  /** Fills that the bound of their image kept out of the cache. */
  overQuota: number;
  evictedBytes: number;
}

export function createCounters(): Counters {
  return {
    hits: 0,
    misses: 0,
    fetchedChunks: 0,
    fetchedBytes: 0,
    copiedBlocks: 0,
    copiedBytes: 0,
    corruptChunks: 0,
    lentBlocks: 0,
    lentBytes: 0,
    corruptFiles: 0,
    rejectedBlocks: 0,
    rejectedFiles: 0,
    evictedFiles: 0,
    overQuota: 0,
    evictedBytes: 0,
  };
}

export interface CacheParts {
  readonly layout: CacheLayout;
  readonly addon: CodecBinding;
  readonly state: State;
  readonly catalog: Catalog;
  readonly partials: Partials;
  readonly residency: Residency;
  readonly counters: Counters;
  /** Held by content key while a content's file is created, renamed, judged or removed. */
  readonly lock: KeyedLock;
  /** Contents whose presence changed since it was last written to the state. */
  readonly dirty: Set<PartialContent>;
  /** Aborted when the cache closes. */
  readonly closing: AbortSignal;
  /** Name of the file system that the cache lies on. */
  readonly fileSystem: string;
  /** Milliseconds since 1970, by which last uses are ordered; see `clock.ts`. */
  readonly now: () => number;
}
