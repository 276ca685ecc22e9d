/**
 * Waits that end: deadlines and abortable sleeps.
 *
 * A deadline covers one operation. Its timer keeps the process alive while the operation is waited
 * for and is gone as soon as that ends.
 */
import { abortError, createAbortController, throwIfAborted } from './abort.ts';
import { G8Error } from './errors.ts';

export interface DeadlineOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Subject of the message when time is up: `GET http://hub/health`. */
  readonly what: string;
}

/** A running deadline. Whoever starts one clears it. */
export interface Deadline {
  /** Aborted with a `G8Error` as its reason when time is up or the outer signal aborts. */
  readonly signal: AbortSignal;
  /** Ends the work now, as if its time were up. */
  fail(error: G8Error): void;
  clear(): void;
}

/** Starts a deadline for work that follows its signal, such as a stream being read. */
export function startDeadline(options: DeadlineOptions): Deadline {
  const { signal: outer, timeoutMs, what } = options;
  // What is fetched together waits at one signal.
  const controller = createAbortController();
  if (outer?.aborted) {
    controller.abort(abortError(outer));
    return { signal: controller.signal, fail: () => {}, clear: () => {} };
  }
  const clear = () => {
    clearTimeout(timer);
    outer?.removeEventListener('abort', onAbort);
  };
  const end = (error: G8Error) => {
    clear();
    controller.abort(error);
  };
  const onAbort = () => end(abortError(outer as AbortSignal));
  const timer = setTimeout(
    () => end(new G8Error('ERR_TIMEOUT', `${what} took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  outer?.addEventListener('abort', onAbort);
  return { signal: controller.signal, fail: end, clear };
}

/**
 * Runs `run` for at most `timeoutMs`. The wait ends on time even when `run` ignores its signal; what
 * it then still does is its own affair.
 *
 * @throws ERR_TIMEOUT, ERR_ABORTED
 */
export async function withDeadline<T>(
  options: DeadlineOptions,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = startDeadline(options);
  try {
    throwIfAborted(deadline.signal);
    return await new Promise<T>((resolve, reject) => {
      deadline.signal.addEventListener('abort', () => reject(abortError(deadline.signal)));
      run(deadline.signal).then(resolve, reject);
    });
  } finally {
    deadline.clear();
  }
}

/** Waits `ms` milliseconds. @throws ERR_ABORTED */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(abortError(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
