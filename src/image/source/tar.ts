/** Tar archives as layers: files of this machine, and streams that come by once, such as standard input. */
import { decompress } from '../decompress.ts';
import { fileStream } from '../file-stream.ts';
import type { Layer, LayerOpenOptions } from './layers.ts';

const READ_SIZE = 1024 * 1024;

/** An archive in a file, compressed or not. */
export function fileLayer(path: string, size: number): Layer {
  return {
    name: path,
    size,
    isRepeatable: true,
    open: (options) => decompress(fileBytes(path, options), options.streams),
  };
}

/** An archive that can be read only once. `source` is ended early when the signal is aborted. */
export function streamLayer(
  name: string,
  source: AsyncIterable<Uint8Array> & { destroy?(error?: Error): unknown },
): Layer {
  return {
    name,
    isRepeatable: false,
    open: ({ signal, streams }) => decompress(abortable(source, signal), streams),
  };
}

async function* fileBytes(
  path: string,
  { signal, onPosition }: LayerOpenOptions,
): AsyncGenerator<Uint8Array> {
  const stream = fileStream(path, { highWaterMark: READ_SIZE, signal });
  let position = 0;
  for await (const piece of stream as AsyncIterable<Uint8Array>) {
    position += piece.length;
    onPosition(position);
    yield piece;
  }
}

async function* abortable(
  source: AsyncIterable<Uint8Array> & { destroy?(error?: Error): unknown },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = (): void => {
    source.destroy?.(new DOMException('Aborted', 'AbortError'));
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    yield* source;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
