/**
 * Metrics of a mount daemon in the text format of Prometheus, version 0.0.4: made when somebody asks, of
 * counters that are kept anyway. Of all mounts together, so that no label has more values than its list;
 * mounts that are gone stay in the sums.
 */

import { escapeLabel, MetricsText } from '../base/metrics-text.ts';
import { STAGES } from '../base/trail.ts';
import type { CacheStatus } from '../cache/status.ts';
import { CIRCUITS, type StoreReport } from '../store/health.ts';
import { addMissTotals, type MissTotals, noMissTotals, WAIT_BUCKETS_S } from './miss-log.ts';
import type { ServedMount } from './mount-record.ts';

/** Driver counters that only grow, and the names they go by. */
const DRIVER_COUNTERS = [
  ['errors', 'g8ufs_fuse_errors_total', 'Answers to the kernel that mean trouble'],
  ['bytesRead', 'g8ufs_fuse_read_bytes_total', 'Bytes read through the driver'],
  ['waits', 'g8ufs_waits_total', 'Opens and reads that had to wait for data'],
  ['deadlinesMissed', 'g8ufs_deadlines_missed_total', 'Waits that ended with the deadline'],
  ['interrupts', 'g8ufs_interrupted_waits_total', 'Waits whose program was interrupted'],
] as const;

export interface Measured {
  /** Of the program. */
  readonly version: string;
  readonly mounts: readonly ServedMount[];
  /** Mounts that could not be restored and that nobody has taken away. */
  readonly quarantined: number;
  readonly cache: CacheStatus;
  readonly stores: readonly StoreReport[];
  /** A successor stands by. */
  readonly hasStandby: boolean;
}

/** Sums over mounts. */
interface Sums {
  readonly counters: Map<string, number>;
  readonly requests: Map<string, number>;
  readonly misses: MissTotals;
}

export class MountMetrics {
  /** Of mounts that are gone. */
  readonly #gone: Sums = noSums();

  /** Notes what a mount has counted; the result adds it to what stays. */
  onUnmount(mount: ServedMount): () => void {
    const last = noSums();
    addMount(last, mount);
    return () => addSums(this.#gone, last);
  }

  text({ version, mounts, quarantined, cache, stores, hasStandby }: Measured): string {
    const sums = noSums();
    addSums(sums, this.#gone);
    for (const mount of mounts) addMount(sums, mount);
    const text = new MetricsText();
    text.gauge('g8ufs_build_info', 'Version of the daemon', 1, `version="${escapeLabel(version)}"`);
    writeProcess(text);
    text.gauge('g8ufs_standby', 'A successor stands by: 1 if so', hasStandby ? 1 : 0);
    writeMounts(text, mounts, sums);
    text.gauge('g8ufs_mounts_quarantined', 'Mounts that could not be restored', quarantined);
    writeMisses(text, sums.misses);
    writeStores(text, stores);
    writeCache(text, cache);
    return text.toString();
  }
}

function noSums(): Sums {
  return { counters: new Map(), requests: new Map(), misses: noMissTotals() };
}

function addMount({ counters, requests, misses }: Sums, { session }: ServedMount): void {
  for (const [name, count] of Object.entries(session.stats())) add(counters, name, count);
  for (const [name, count] of Object.entries(session.requests())) add(requests, name, count);
  addMissTotals(misses, session.misses.totals);
}

function addSums(sum: Sums, more: Sums): void {
  for (const [name, count] of more.counters) add(sum.counters, name, count);
  for (const [name, count] of more.requests) add(sum.requests, name, count);
  addMissTotals(sum.misses, more.misses);
}

function add(sums: Map<string, number>, name: string, count: number): void {
  sums.set(name, (sums.get(name) ?? 0) + count);
}

function writeProcess(text: MetricsText): void {
  const { heapUsed, rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const seconds = (user + system) / 1e6;
  text.counter('process_cpu_seconds_total', 'Processor time of the daemon', seconds);
  text.gauge('process_resident_memory_bytes', 'Memory of the daemon', rss);
  const startSeconds = performance.timeOrigin / 1000;
  text.gauge('process_start_time_seconds', 'Start of the daemon since 1970', startSeconds);
  text.gauge('g8ufs_js_heap_bytes', 'Memory of its JavaScript part', heapUsed);
}

function writeMounts(text: MetricsText, mounts: readonly ServedMount[], sums: Sums): void {
  const now = mounts.map(({ session }) => session.stats());
  const total = (name: string): number => now.reduce((sum, stats) => sum + (stats[name] ?? 0), 0);
  const oldest = now.reduce((max, stats) => Math.max(max, stats['oldestWaitMs'] ?? 0), 0);
  text.gauge('g8ufs_mounts', 'Mounts of the daemon', mounts.length);
  text.gauge('g8ufs_open_files', 'Files that are open on its mounts', total('openFiles'));
  text.gauge('g8ufs_waiting', 'Opens and reads that wait for data now', total('waiting'));
  text.gauge('g8ufs_oldest_wait_seconds', 'Age of the oldest of them', oldest / 1000);
  const operations = [...sums.requests].sort(([a], [b]) => (a < b ? -1 : 1));
  text.family('counter', 'g8ufs_fuse_requests_total', 'Requests of the kernel', () =>
    operations.map(([operation, count]) => [`operation="${escapeLabel(operation)}"`, count]),
  );
  text.family('counter', 'g8ufs_opens_total', 'Files opened, by who reads them then', () => [
    ['mode="passthrough"', sums.counters.get('passthroughOpens') ?? 0],
    ['mode="driver"', sums.counters.get('cachedOpens') ?? 0],
  ]);
  for (const [key, name, help] of DRIVER_COUNTERS) {
    text.counter(name, help, sums.counters.get(key) ?? 0);
  }
}

function writeMisses(
  text: MetricsText,
  { waits, demand, ahead, prefetch, foretold, foretoldUsed }: MissTotals,
): void {
  const { buckets, count, ms } = waits;
  text.histogram('g8ufs_miss_seconds', 'Time from a need for data to its end', {
    ends: WAIT_BUCKETS_S,
    counts: buckets,
    count,
    sum: ms / 1000,
  });
  text.family('counter', 'g8ufs_miss_stage_seconds_total', 'That time by what it was for', () =>
    STAGES.map((stage) => [`stage="${stage}"`, waits.stages[stage] / 1000]),
  );
  text.counter(
    'g8ufs_misses_failed_total',
    'Needs for data that ended with an error',
    waits.failed,
  );
  text.counter('g8ufs_slow_misses_total', 'Needs for data that took long', waits.slow);
  const each = (key: 'calls' | 'chunks' | 'bytes') => () =>
    [
      ['for="readers"', demand[key]],
      ['for="readahead"', ahead[key]],
      ['for="prefetch"', prefetch[key]],
      ['for="foretold"', foretold[key]],
    ] as const;
  const family = (name: string, help: string, key: 'calls' | 'chunks' | 'bytes'): void =>
    text.family('counter', name, help, each(key));
  family('g8ufs_store_calls_total', 'Calls to stores, of one chunk or many', 'calls');
  family('g8ufs_fetched_chunks_total', 'Chunks that came from stores', 'chunks');
  family('g8ufs_fetched_bytes_total', 'Bytes that came from stores, as they are stored', 'bytes');
  text.counter(
    'g8ufs_foretold_used_bytes_total',
    'Bytes of these that were guesses, in files that were opened since',
    foretoldUsed.bytes,
  );
}

/** By kind and not by name: a flist may name any number of stores. */
function writeStores(text: MetricsText, stores: readonly StoreReport[]): void {
  const total = (key: 'failures' | 'opened' | 'refused' | 'hedges' | 'hedgesWon' | 'corrupt') =>
    stores.reduce((sum, store) => sum + store[key], 0);
  text.family('gauge', 'g8ufs_stores', 'Stores by the state of their circuit', () =>
    CIRCUITS.map((circuit) => [
      `circuit="${circuit}"`,
      stores.filter((store) => store.circuit === circuit).length,
    ]),
  );
  text.counter('g8ufs_store_failures_total', 'Calls to stores that failed', total('failures'));
  text.counter('g8ufs_store_opens_total', 'Times that a circuit opened', total('opened'));
  text.counter('g8ufs_store_refused_total', 'Calls not made for that', total('refused'));
  text.counter('g8ufs_store_hedges_total', 'Calls because another was slow', total('hedges'));
  text.counter('g8ufs_store_hedges_won_total', 'Those that answered first', total('hedgesWon'));
  text.counter('g8ufs_store_corrupt_total', 'Corrupt chunks traced to a store', total('corrupt'));
}

function writeCache(text: MetricsText, cache: CacheStatus): void {
  text.gauge('g8ufs_cache_bytes', 'Bytes that the cache takes on disk', cache.bytes);
  text.gauge('g8ufs_cache_limit_bytes', 'Bytes that it may take', cache.sizeMaxBytes);
  text.gauge('g8ufs_cache_free_bytes', 'Free bytes of its file system', cache.freeBytes);
  text.gauge('g8ufs_cache_free_floor_bytes', 'Bytes that it leaves free', cache.freeFloorBytes);
  text.family('gauge', 'g8ufs_cache_files', 'Contents in the cache', () => [
    ['state="complete"', cache.files],
    ['state="partial"', cache.partialFiles],
  ]);
  text.gauge('g8ufs_cache_loading', 'Blocks and chunks that are being loaded', cache.loading);
  text.counter('g8ufs_cache_hits_total', 'Complete contents that were opened', cache.hits);
  text.counter('g8ufs_cache_misses_total', 'Blocks that had to be fetched', cache.misses);
  text.counter('g8ufs_cache_copied_blocks_total', 'Blocks another content had', cache.copiedBlocks);
  text.counter('g8ufs_cache_evicted_files_total', 'Contents evicted', cache.evictedFiles);
  text.counter('g8ufs_cache_evicted_bytes_total', 'Bytes evicted', cache.evictedBytes);
  text.counter('g8ufs_cache_over_quota_total', 'Fills kept out by a quota', cache.overQuota);
  text.family('counter', 'g8ufs_corrupt_total', 'What did not match its digest', () => [
    ['what="chunk"', cache.corruptChunks],
    ['what="file"', cache.corruptFiles + cache.rejectedFiles],
    ['what="block"', cache.rejectedBlocks],
  ]);
  text.family('gauge', 'g8ufs_cache_degraded', 'Reads are served from memory, by reason', () =>
    (['full', 'broken', 'hanging'] as const).map((reason) => [
      `reason="${reason}"`,
      cache.degraded === reason ? 1 : 0,
    ]),
  );
  text.gauge('g8ufs_cache_suspect', 'A file could not be read lately', cache.suspect ? 1 : 0);
  text.counter('g8ufs_cache_lent_bytes_total', 'Bytes served from memory', cache.lentBytes);
  text.counter(
    'g8ufs_cache_state_failures_total',
    'Writes of its state failed',
    cache.stateFailures,
  );
}
