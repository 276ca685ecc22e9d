/**
 * Tells while it happens that a read waits long, and for what: a line in the log when it has waited for
 * the threshold, for twice that, and so on, and one when it is over. Looks at the waits of all mounts at
 * an interval, so that a wait that is short costs a set's entry.
 */
import { LimitedLog } from './limited-log.ts';
import type { Logger } from './log.ts';
import type { Miss, MissReport } from './miss.ts';
import type { MissLog } from './miss-log.ts';
import { fieldsOfPath } from './path-names.ts';

/** A read that waits for this long is slow, unless the daemon is told otherwise. */
export const SLOW_READ_MS = 5_000;
/** Looks per threshold: a line comes at most a fifth late. */
const LOOKS_PER_THRESHOLD = 5;
const LOOK_INTERVAL_MS_MIN = 20;

export interface SlowReadsOptions {
  readonly thresholdMs: number;
  readonly log: Logger;
}

export class SlowReads {
  readonly thresholdMs: number;
  readonly #log: LimitedLog;
  readonly #waiting = new Map<Miss, MissLog>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ thresholdMs, log }: SlowReadsOptions) {
    this.thresholdMs = thresholdMs;
    this.#log = new LimitedLog(log, 'slow reads');
  }

  add(miss: Miss, misses: MissLog): void {
    this.#waiting.set(miss, misses);
    if (this.#timer !== undefined) return;
    const interval = Math.max(LOOK_INTERVAL_MS_MIN, this.thresholdMs / LOOKS_PER_THRESHOLD);
    this.#timer = setInterval(() => this.#look(), interval);
    this.#timer.unref();
  }

  remove(miss: Miss): void {
    const misses = this.#waiting.get(miss);
    this.#waiting.delete(miss);
    if (this.#waiting.size === 0) clearInterval(this.#timer);
    if (this.#waiting.size === 0) this.#timer = undefined;
    if (misses === undefined || miss.reports === 0) return;
    this.#write(misses, miss.report(), 'slow read has ended');
  }

  /** Whether a read waits at least so long by now, and at the moment for what may be in the disk's hands. */
  waitsForDisk(leastMs: number): boolean {
    const now = performance.now();
    for (const miss of this.#waiting.keys()) {
      if (miss.elapsedMs(now) < leastMs) continue;
      const { reason } = miss.report(now);
      if (reason === 'disk' || reason === 'decode') return true;
    }
    return false;
  }

  #look(): void {
    const now = performance.now();
    for (const [miss, misses] of this.#waiting) {
      if (miss.elapsedMs(now) < this.thresholdMs * 2 ** miss.reports) continue;
      miss.reports++;
      const report = miss.report(now);
      this.#write(misses, report, `read waits for ${phraseOf(report)}`);
    }
  }

  #write(misses: MissLog, report: MissReport, message: string): void {
    const { nid, kind, offset, size, ms, reason, times, chunk, store, error } = report;
    const write = (path: Uint8Array | undefined): void => {
      const where = { mountPoint: misses.mountPoint, ...fieldsOfPath(path, nid) };
      const facts = { kind, offset, size, ms: Math.round(ms), reason, chunk, store, error };
      this.#log.write('warn', { ...where, ...facts, stages: rounded(times) }, message);
    };
    // The line matters more than the name in it.
    misses.names.find(report).then(write, () => write(undefined));
  }
}

/** What a wait waits for, in words. */
function phraseOf({ reason, store, chunk }: MissReport): string {
  switch (reason) {
    case 'queue':
      return 'its turn';
    case 'network':
      return `chunk ${chunk ?? '?'} from ${store ?? 'its store'}`;
    case 'decode':
      return `chunk ${chunk ?? '?'} to be decoded`;
    case 'disk':
      return 'the disk of the cache';
  }
}

function rounded(times: MissReport['times']): Record<string, number> {
  return Object.fromEntries(Object.entries(times).map(([stage, ms]) => [stage, Math.round(ms)]));
}
