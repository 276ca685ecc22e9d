/**
 * Trying again: exponential delays with full jitter, bounded in attempts and in total time.
 *
 * Only for calls that may be repeated. Full jitter (a random delay between zero and the bound)
 * spreads the clients of a store that has just come back.
 */
import { performance } from 'node:perf_hooks';
import { sleep, withDeadline } from './deadline.ts';
import { type G8Error, isG8Error } from './errors.ts';

export interface RetryPolicy {
  /** Attempts in all, 1 or more. */
  readonly attemptCount: number;
  /** Bound of the first delay; it doubles from attempt to attempt. */
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Time for all attempts and delays together. */
  readonly totalMs: number;
}

/** Clock and dice, replaced in tests. */
export interface RetryClock {
  /** Milliseconds, never going back. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** At least 0 and below 1. */
  random(): number;
}

export interface RetryOptions {
  readonly policy: RetryPolicy;
  /** Subject of the message when the total time is up. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: RetryClock | undefined;
  /** More milliseconds to wait before the next attempt, for example because others are to be made first. */
  readonly extraDelayMs?: ((error: G8Error) => number) | undefined;
  /** Told before each delay. */
  readonly onRetry?: (event: RetryEvent) => void;
}

export interface RetryEvent {
  /** Attempts so far. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: G8Error;
}

export const SYSTEM_CLOCK: RetryClock = {
  now: () => performance.now(),
  sleep,
  random: Math.random,
};

/**
 * Runs `run` until it succeeds, fails for good, or the policy is used up; then the last failure is
 * thrown. An error that carries `retryAfterMs` in its details is waited for at least that long.
 *
 * @throws ERR_TIMEOUT when the total time ends within an attempt
 */
export async function retry<T>(
  options: RetryOptions,
  run: (signal: AbortSignal, attempt: number) => Promise<T>,
): Promise<T> {
  const { policy, signal, clock = SYSTEM_CLOCK } = options;
  const end = clock.now() + policy.totalMs;
  for (let attempt = 1; ; attempt++) {
    try {
      const timeoutMs = Math.max(1, Math.ceil(end - clock.now()));
      return await withDeadline({ timeoutMs, signal, what: options.what }, (inner) =>
        run(inner, attempt),
      );
    } catch (error) {
      if (signal?.aborted || !isG8Error(error) || !error.retryable) throw error;
      if (attempt >= policy.attemptCount) throw error;
      const extraMs = options.extraDelayMs?.(error) ?? 0;
      const delayMs = Math.max(extraMs, retryDelayMs(policy, attempt, error, clock));
      if (clock.now() + delayMs >= end) throw error;
      options.onRetry?.({ attempt, delayMs, error });
      await clock.sleep(delayMs, signal);
    }
  }
}

/** Delay before the attempt that follows number `attempt` (from 1). */
export function retryDelayMs(
  policy: RetryPolicy,
  attempt: number,
  error: G8Error | undefined,
  clock: Pick<RetryClock, 'random'>,
): number {
  const bound = Math.min(policy.delayMsMax, policy.delayMsMin * 2 ** (attempt - 1));
  const asked = error?.details['retryAfterMs'];
  const jittered = clock.random() * bound;
  return typeof asked === 'number' ? asked + jittered : jittered;
}
