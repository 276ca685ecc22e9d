/** Abort signals: as this project's errors, joined, raced. Holds no state. */
import { setMaxListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
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
 * Lets the event loop run, so that a signal can arrive in the middle of long work without waits.
 *
 * @throws {@link abortError}
 */
export async function checkpoint(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  throwIfAborted(signal);
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

/** A controller whose signal any number of calls may listen to. */
export function createAbortController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/**
 * One signal for several. Unlike `AbortSignal.any`, it leaves nothing at a long-lived signal once it
 * is unlinked.
 */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): {
  readonly signal: AbortSignal;
  unlink(): void;
} {
  const controller = createAbortController();
  const links = signals
    .filter((signal) => signal !== undefined)
    .map((signal) => ({ signal, abort: () => controller.abort(signal.reason) }));
  for (const { signal, abort } of links) {
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  }
  const unlink = (): void => {
    for (const { signal, abort } of links) signal.removeEventListener('abort', abort);
  };
  return { signal: controller.signal, unlink };
}
