/**
 * Several asynchronous sources read at once, with a bound on how many run and how much is buffered.
 *
 * Each running source is at most one value ahead of the consumer. When the consumer stops, the
 * signal of every source is aborted and the sources are closed before the generator ends.
 */
import { setMaxListeners } from 'node:events';
import { abortError } from './abort.ts';

/** Starts one source. It should end early when the signal aborts. */
export type Task<T> = (signal: AbortSignal) => AsyncIterable<T>;

export interface ParallelOptions {
  readonly concurrency: number;
  readonly signal?: AbortSignal | undefined;
}

const LISTENERS_PER_TASK = 8;

interface Running<T> {
  readonly iterator: AsyncIterator<T>;
}

/**
 * Yields the values of all tasks as they come, `concurrency` tasks at a time. The first failure of a
 * task ends the rest and is thrown.
 *
 * @throws ERR_ABORTED when the signal aborts
 */
export async function* mergeParallel<T>(
  tasks: Iterable<Task<T>> | AsyncIterable<Task<T>>,
  options: ParallelOptions,
): AsyncGenerator<T, void, void> {
  const controller = new AbortController();
  // Each running task may listen to it, also with a deadline within a deadline: that is no leak.
  setMaxListeners(LISTENERS_PER_TASK * options.concurrency, controller.signal);
  const source =
    Symbol.asyncIterator in tasks ? tasks[Symbol.asyncIterator]() : tasks[Symbol.iterator]();
  const running = new Set<Running<T>>();
  const ready: { from: Running<T>; result: IteratorResult<T> }[] = [];
  const failures: unknown[] = [];
  let pulling = false;
  let exhausted = false;
  let wake = () => {};

  const fail = (error: unknown) => {
    failures.push(error);
    wake();
  };
  const advance = (from: Running<T>) => {
    from.iterator.next().then((result) => {
      ready.push({ from, result });
      wake();
    }, fail);
  };
  const startMore = () => {
    if (pulling || exhausted || running.size >= options.concurrency) return;
    pulling = true;
    Promise.resolve(source.next()).then((next) => {
      pulling = false;
      if (next.done) {
        exhausted = true;
      } else if (!controller.signal.aborted) {
        const started = { iterator: next.value(controller.signal)[Symbol.asyncIterator]() };
        running.add(started);
        advance(started);
        startMore();
      }
      wake();
    }, fail);
  };
  const onAbort = () => fail(abortError(options.signal as AbortSignal));

  if (options.signal?.aborted) throw abortError(options.signal);
  options.signal?.addEventListener('abort', onAbort);
  try {
    startMore();
    while (!exhausted || running.size > 0) {
      if (failures.length > 0) throw failures[0];
      const item = ready.shift();
      if (item === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if (item.result.done) {
        running.delete(item.from);
        startMore();
      } else {
        advance(item.from);
        yield item.result.value;
      }
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    controller.abort(options.signal?.aborted ? abortError(options.signal) : undefined);
    // A source that is still being asked for its next task may take its time: nobody waits for it.
    Promise.resolve(source.return?.()).catch(() => {});
    await Promise.allSettled([...running].map(async ({ iterator }) => iterator.return?.()));
  }
}
