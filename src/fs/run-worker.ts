/** Work in a thread of its own: what takes seconds must not be felt by the mounts of others. */
import { once } from 'node:events';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { type ErrorCode, G8Error } from '../base/errors.ts';

/** What a worker reports at its end: `undefined`, or its error as plain values. */
export type WorkResult = { readonly code: ErrorCode; readonly message: string } | undefined;

/**
 * @param program file of the worker, which gets `workerData` and posts one {@link WorkResult}
 * @param options.signal ends it; it should have a deadline
 * @throws the error that it reports; an AbortError or TimeoutError of the signal
 */
export async function runWorker(
  program: string,
  workerData: unknown,
  options: { readonly signal: AbortSignal; readonly resourceLimits?: ResourceLimits },
): Promise<void> {
  const { signal, resourceLimits } = options;
  const worker = new Worker(program, {
    workerData,
    ...(resourceLimits !== undefined && { resourceLimits }),
  });
  try {
    const [result] = (await once(worker, 'message', { signal })) as [WorkResult];
    if (result !== undefined) throw new G8Error(result.code, result.message);
  } finally {
    await worker.terminate();
  }
}
