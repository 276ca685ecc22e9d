/** Abort signals as this project's errors. Pure. */
import { G8Error, isG8Error } from './errors.ts';

/** The error that an aborted call ends with: the signal's own `G8Error`, else `ERR_ABORTED`. */
export function abortError(signal: AbortSignal): G8Error {
  if (isG8Error(signal.reason)) return signal.reason;
  return new G8Error('ERR_ABORTED', 'The operation was aborted', { cause: signal.reason });
}

/** @throws {@link abortError} when the signal is aborted */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/**
 * Ends the wait for a promise when the signal is aborted, whether or not the work behind it listens
 * to that signal.
 *
 * @throws {@link abortError}, or what the promise is rejected with
 */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
