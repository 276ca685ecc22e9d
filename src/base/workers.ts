/**
 * Many tasks, a few at a time. For one event loop: the tasks are asynchronous functions, not threads.
 */
import { abortError } from './abort.ts';

export interface WorkersOptions {
  /** Tasks that run at the same time, at least 1. */
  readonly concurrency: number;
  /** No further task starts once it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `task` for every item, in the order of the items. The first failure keeps further tasks from
 * starting; it is thrown when the running ones have ended, so nothing goes on behind the caller's back.
 *
 * @throws ERR_ABORTED, or the signal's own error
 */
export async function forEachParallel<T>(
  items: Iterable<T>,
  options: WorkersOptions,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const { signal } = options;
  const iterator = items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const work = async (): Promise<void> => {
    while (failure === undefined && signal?.aborted !== true) {
      const next = iterator.next();
      if (next.done === true) return;
      await task(next.value);
    }
  };
  const workers = Array.from({ length: options.concurrency }, () =>
    work().catch((error: unknown) => {
      failure ??= { error };
    }),
  );
  await Promise.all(workers);
  if (signal?.aborted === true) throw abortError(signal);
  if (failure !== undefined) throw failure.error;
}
