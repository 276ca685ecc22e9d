/**
 * Waits while a hub says that there were too many requests. Such a request was not looked at, so it can be sent again
 * whatever it does: also one that is never repeated after other failures.
 */
import { type G8Error, isG8Error } from '../base/errors.ts';
import { type RetryClock, type RetryPolicy, retryDelayMs, SYSTEM_CLOCK } from '../base/retry.ts';
import type { StoreCallOptions } from './store.ts';

const TOO_MANY = 429;
/** `totalMs` is what is waited in all: somebody sits in front of most of these. A hub gives a minute's worth back in one. */
const POLICY: RetryPolicy = {
  attemptCount: 6,
  delayMsMin: 250,
  delayMsMax: 8_000,
  totalMs: 90_000,
};

/**
 * @param run makes one request
 * @throws what `run` throws; the last refusal when it lasts, or when the hub asks for a longer wait than 90 s
 */
export async function whenAllowed<T>(
  options: StoreCallOptions & { readonly clock?: RetryClock },
  run: () => Promise<T>,
): Promise<T> {
  const { signal, clock = SYSTEM_CLOCK } = options;
  let waitedMs = 0;
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!isTooMany(error) || attempt === POLICY.attemptCount) throw error;
      const delayMs = retryDelayMs(POLICY, attempt, error, clock);
      waitedMs += delayMs;
      if (waitedMs > POLICY.totalMs) throw error;
      await clock.sleep(delayMs, signal);
    }
  }
}

function isTooMany(error: unknown): error is G8Error {
  return isG8Error(error) && error.details['status'] === TOO_MANY;
}
