/** Files as streams of bytes that an abort ends in good order. */
import { createReadStream, type ReadStream } from 'node:fs';
import { throwIfAborted } from '../base/abort.ts';

/** @throws ERR_ABORTED at once, or while it is read what the signal says */
export function fileStream(
  path: string,
  options: { readonly highWaterMark?: number; readonly signal?: AbortSignal | undefined },
): ReadStream {
  const { highWaterMark, signal } = options;
  throwIfAborted(signal);
  const sizes = highWaterMark === undefined ? {} : { highWaterMark };
  const stream = createReadStream(path, { ...sizes, ...(signal && { signal }) });
  // Whoever reads it gets the error. Before anybody does, it must not end the process.
  return stream.on('error', () => {});
}
