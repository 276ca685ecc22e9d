/**
 * What one mount has waited for: the waits of the moment, the slowest so far, sums, and for whoever
 * watches a trace. All in memory and bounded.
 */
import { noTimes, STAGES, type StageTimes, type Trail } from '../base/trail.ts';
import type { LoadWatcher } from '../cache/fetch.ts';
import { Miss, type MissReport, type Wanted } from './miss.ts';
import type { Place } from './path-names.ts';
import type { SlowReads } from './slow-reads.ts';
import { TraceRing } from './trace-ring.ts';

/** The slowest waits of a mount that are kept. */
const SLOWEST_MAX = 16;

/** Upper ends of the classes of waits in seconds; the last class has none. */
export const WAIT_BUCKETS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30,
];

/** What was fetched from stores on behalf of a mount. */
export interface Fetched {
  /** Calls to the store; a call may be one request or several. */
  calls: number;
  chunks: number;
  /** Bytes as they are stored. */
  bytes: number;
}

/** Sums over the waits that have ended. */
export interface WaitTotals {
  count: number;
  failed: number;
  /** Waits that took as long as a slow read. */
  slow: number;
  ms: number;
  readonly stages: StageTimes;
  /** Waits by class of {@link WAIT_BUCKETS_S}. */
  readonly buckets: number[];
}

export interface MissTotals {
  readonly waits: WaitTotals;
  readonly demand: Fetched;
  readonly ahead: Fetched;
  readonly prefetch: Fetched;
  /** What a mount without a start profile has guessed; what goes along in a reader's call is no call. */
  readonly foretold: Fetched;
  /** Of that, bytes of files that were opened since. */
  readonly foretoldUsed: { bytes: number };
}

/** For whom something is fetched: a reader that waits, what it may read next, a prefetch, a guess. */
const FETCHED_FOR = ['demand', 'ahead', 'prefetch', 'foretold'] as const;
type FetchedFor = (typeof FETCHED_FOR)[number];

export function noMissTotals(): MissTotals {
  const nothing = (): Fetched => ({ calls: 0, chunks: 0, bytes: 0 });
  return {
    waits: {
      count: 0,
      failed: 0,
      slow: 0,
      ms: 0,
      stages: noTimes(),
      buckets: new Array<number>(WAIT_BUCKETS_S.length + 1).fill(0),
    },
    demand: nothing(),
    ahead: nothing(),
    prefetch: nothing(),
    foretold: nothing(),
    foretoldUsed: { bytes: 0 },
  };
}

/** Adds the second to the first. */
export function addMissTotals(sum: MissTotals, more: MissTotals): void {
  for (const key of ['count', 'failed', 'slow', 'ms'] as const) sum.waits[key] += more.waits[key];
  for (const stage of STAGES) sum.waits.stages[stage] += more.waits.stages[stage];
  for (const [index, count] of more.waits.buckets.entries()) {
    sum.waits.buckets[index] = (sum.waits.buckets[index] ?? 0) + count;
  }
  sum.foretoldUsed.bytes += more.foretoldUsed.bytes;
  for (const kind of FETCHED_FOR) {
    for (const key of ['calls', 'chunks', 'bytes'] as const) sum[kind][key] += more[kind][key];
  }
}

/** Paths for reports. */
export interface MissNames {
  find(place: Place): Promise<Uint8Array | undefined>;
}

export interface MissLogOptions {
  readonly mountPoint: string;
  readonly names: MissNames;
  readonly slowReads?: SlowReads | undefined;
}

export class MissLog {
  readonly mountPoint: string;
  readonly names: MissNames;
  readonly totals: MissTotals = noMissTotals();
  readonly trace = new TraceRing();
  readonly #slowReads: SlowReads | undefined;
  readonly #waiting = new Set<Miss>();
  #slowest: MissReport[] = [];

  constructor({ mountPoint, names, slowReads }: MissLogOptions) {
    this.mountPoint = mountPoint;
    this.names = names;
    this.#slowReads = slowReads;
  }

  begin(wanted: Wanted): Miss {
    const miss = new Miss(wanted);
    this.#waiting.add(miss);
    this.#slowReads?.add(miss, this);
    return miss;
  }

  /** Idempotent. */
  end(miss: Miss, error?: unknown): void {
    if (!this.#waiting.delete(miss)) return;
    miss.end(error);
    const report = miss.report();
    this.#count(report);
    this.#keepSlowest(report);
    this.trace.addMiss(report);
    this.#slowReads?.remove(miss);
  }

  /** Watches loads, those that `miss` waits for when it is given. */
  watcher(kind: FetchedFor, miss?: Miss): LoadWatcher {
    const fetched = this.totals[kind];
    return {
      onBlock: (_block: number, trail: Trail) => miss?.addLoad(trail),
      onCall: () => {
        fetched.calls++;
      },
      onChunk: (size: number) => {
        fetched.chunks++;
        fetched.bytes += size;
      },
    };
  }

  /** The waits of the moment, the oldest first. */
  waiting(): MissReport[] {
    const now = performance.now();
    return [...this.#waiting].map((miss) => miss.report(now)).sort((a, b) => b.ms - a.ms);
  }

  /** The slowest that have ended, the slowest first. */
  slowest(): readonly MissReport[] {
    return this.#slowest;
  }

  #count({ ms, times, error }: MissReport): void {
    const { waits } = this.totals;
    waits.count++;
    waits.ms += ms;
    if (error !== undefined) waits.failed++;
    if (this.#slowReads !== undefined && ms >= this.#slowReads.thresholdMs) waits.slow++;
    for (const stage of STAGES) waits.stages[stage] += times[stage];
    const bucket = WAIT_BUCKETS_S.findIndex((end) => ms <= end * 1000);
    const index = bucket === -1 ? WAIT_BUCKETS_S.length : bucket;
    waits.buckets[index] = (waits.buckets[index] ?? 0) + 1;
  }

  #keepSlowest(report: MissReport): void {
    const last = this.#slowest.at(-1);
    if (this.#slowest.length === SLOWEST_MAX && last !== undefined && last.ms >= report.ms) return;
    this.#slowest = [...this.#slowest, report].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST_MAX);
  }
}
