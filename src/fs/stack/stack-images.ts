/** One image on another as a flist, made beside the mounts that are served. */
import { G8Error, toG8Error } from '../../base/errors.ts';
import { programBeside } from '../../base/program-beside.ts';
import { runWorker } from '../run-worker.ts';
import type { StackWork } from './stack-worker.ts';

/** What the two may cost. */
export interface StackLimits {
  readonly timeoutMs: number;
  readonly heapSizeMaxMb: number;
}

/** A million entries take some seconds; the memory is enough for some millions. */
const LIMITS: StackLimits = { timeoutMs: 300_000, heapSizeMaxMb: 2048 };

/**
 * Whiteouts of the layer take names of the base away. Routers of both are kept, and the metadata of the base.
 *
 * @throws ERR_FLIST_FORMAT, ERR_CREATE when the two are too large together or the output cannot be written; ERR_TIMEOUT,
 *   ERR_ABORTED, ERR_CONFIG for a broken router
 */
export async function stackImages(
  work: StackWork,
  signal: AbortSignal,
  { timeoutMs, heapSizeMaxMb } = LIMITS,
): Promise<void> {
  const what = `${work.layer.source} on ${work.base.source}`;
  try {
    await runWorker(programBeside('stack-worker', import.meta.url), work, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      resourceLimits: { maxOldGenerationSizeMb: heapSizeMaxMb },
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
      throw new G8Error('ERR_CREATE', `${what} is too large to be put together`, { cause: error });
    }
    if (!signal.aborted && isTimeout(error)) {
      throw new G8Error('ERR_TIMEOUT', `${what} takes too long to be put together`, {
        cause: error,
      });
    }
    throw toG8Error(error, 'ERR_INTERNAL', `${what} cannot be put together`);
  }
}

/** What `once` throws tells the reason of a signal as its cause. */
function isTimeout(error: unknown): boolean {
  return (error as { cause?: { name?: string } }).cause?.name === 'TimeoutError';
}
