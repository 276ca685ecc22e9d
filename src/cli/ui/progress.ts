/**
 * Progress on stderr. The work counts in a plain object; this polls it, so that showing progress costs
 * the work nothing. Never on stdout, never in logs.
 */
import { formatSize } from '../../base/bytes.ts';
import { plural } from '../../base/plural.ts';
import type { Context, Terminal } from '../context.ts';

const REDRAWS_PER_SECOND = 10;
const PLAIN_INTERVAL_MS = 5000;
/** Below this much time a rate is noise. */
const RATE_AGE_MS_MIN = 1000;

/** What the work counts. All fields may change at any time. */
export interface ProgressCounter {
  /** What is going on, two or three words. */
  label: string;
  done: number;
  /** 0 while it is not known. */
  total: number;
  unit: 'bytes' | 'entries';
  /** How much of the work is done, 0 to 1, when that is known by other means than a total. */
  readonly share?: number | undefined;
}

export interface ProgressView {
  /** Removes the bar, or prints the last plain line. Idempotent. */
  stop(): void;
}

/** Shows the counter as the context wants it, until stopped. */
export async function showProgress(
  context: Context,
  counter: ProgressCounter,
): Promise<ProgressView> {
  if (context.progress === 'bar') return showBar(context.stderr, counter);
  if (context.progress === 'plain') return showPlain(context.stderr, counter, PLAIN_INTERVAL_MS);
  return { stop: () => {} };
}

async function showBar(stderr: Terminal, counter: ProgressCounter): Promise<ProgressView> {
  const { default: progress } = await import('cli-progress');
  const elapsed = stopwatch(counter);
  const bar = new progress.SingleBar({
    stream: stderr,
    fps: REDRAWS_PER_SECOND,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 24,
    barCompleteChar: '#',
    barIncompleteChar: '.',
    format: (options, params) => {
      const filled = Math.round((options.barsize ?? 0) * params.progress);
      const cells = '#'.repeat(filled).padEnd(options.barsize ?? 0, '.');
      return `[${cells}] ${describeProgress(counter, elapsed())}`;
    },
  });
  const poll = (): void => {
    const { share, total, done } = counter;
    // A total that is not known yet, or that the work has passed, must not look complete.
    bar.setTotal(share === undefined ? Math.max(total, done + 1) : 1);
    bar.update(share ?? done);
  };
  bar.start(1, 0);
  const timer = setInterval(poll, 1000 / REDRAWS_PER_SECOND);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      bar.stop();
    },
  };
}

/** One line at each interval and one at the end. */
export function showPlain(
  stderr: Terminal,
  counter: ProgressCounter,
  intervalMs: number,
): ProgressView {
  const elapsed = stopwatch(counter);
  const print = (): void => {
    stderr.write(`${describeProgress(counter, elapsed())}\n`);
  };
  const timer = setInterval(print, intervalMs);
  timer.unref();
  let stopped = false;
  return {
    stop: () => {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      print();
    },
  };
}

/** `Storing contents: 12 MiB of 40 MiB, 30%, 6.1 MiB/s, 5 s left`. Pure. */
export function describeProgress(counter: ProgressCounter, elapsedMs: number): string {
  const { label, done, total, unit } = counter;
  const amount = (value: number): string =>
    unit === 'bytes' ? formatSize(value) : plural(Math.round(value), 'entry', 'entries');
  const share = counter.share ?? (total > 0 ? done / total : undefined);
  const parts = [total > 0 ? `${amount(done)} of ${amount(total)}` : amount(done)];
  if (share !== undefined) parts.push(`${Math.min(100, Math.floor(share * 100))}%`);
  if (elapsedMs >= RATE_AGE_MS_MIN && done > 0) {
    parts.push(`${amount((done / elapsedMs) * 1000)}/s`);
    if (share !== undefined && share > 0 && share < 1) {
      parts.push(`${formatSeconds(((elapsedMs / 1000) * (1 - share)) / share)} left`);
    }
  }
  return `${label}: ${parts.join(', ')}`;
}

/** Milliseconds since the counter has had its label: each phase has a rate of its own. */
function stopwatch(counter: ProgressCounter): () => number {
  let { label } = counter;
  let started = Date.now();
  return () => {
    if (counter.label !== label) [label, started] = [counter.label, Date.now()];
    return Date.now() - started;
  };
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
