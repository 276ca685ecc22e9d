/**
 * Layers compressed as they stream by: gzip in one member, zstd in frames of equal plain size, several at a
 * time off the JS thread. The same bytes in give the same bytes out.
 */
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { MEDIA_TYPE } from '../../format/oci/media-type.ts';
import type { CodecBinding } from '../../native/addon.ts';

export type LayerCompression = 'gzip' | 'zstd' | 'none';

export const LAYER_TYPES: Readonly<Record<LayerCompression, string>> = {
  gzip: MEDIA_TYPE.layerGzip,
  zstd: MEDIA_TYPE.layerZstd,
  none: MEDIA_TYPE.layer,
};

type Bytes = AsyncIterable<Uint8Array>;

/** Large enough to compress as well as one frame would, small enough for several in memory. */
const FRAME_SIZE = 4 * 1024 * 1024;
/** In progress or waiting their turn. */
const FRAMES_MAX = 4;
const ZSTD_LEVEL = 3;

const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNKNOWN = 255;

/** The source compressed; pieces of it may be used again by whoever made them, once the next is asked for. */
export function compress(
  source: Bytes,
  how: LayerCompression,
  codec: Pick<CodecBinding, 'zstdCompress'>,
): Bytes {
  if (how === 'gzip') return gzipped(source);
  return how === 'zstd' ? zstdFrames(source, codec) : source;
}

async function* gzipped(source: Bytes): AsyncGenerator<Uint8Array> {
  const gzip = createGzip({ chunkSize: 256 * 1024 });
  pipeline(Readable.from(source, { highWaterMark: 1 }), gzip, () => {});
  let isFirst = true;
  for await (const piece of gzip as AsyncIterable<Buffer>) {
    // zlib names the system it was built for. It writes its header in one piece.
    if (isFirst) piece[GZIP_OS_OFFSET] = GZIP_OS_UNKNOWN;
    isFirst = false;
    yield piece;
  }
}

async function* zstdFrames(
  source: Bytes,
  codec: Pick<CodecBinding, 'zstdCompress'>,
): AsyncGenerator<Uint8Array> {
  const running: Promise<Uint8Array>[] = [];
  try {
    for await (const plain of cut(source, FRAME_SIZE)) {
      const frame = codec.zstdCompress(plain, ZSTD_LEVEL);
      // It is awaited later; until then a failure is not an unhandled one.
      frame.catch(() => {});
      running.push(frame);
      if (running.length >= FRAMES_MAX) yield (await running.shift()) as Uint8Array;
    }
    while (running.length > 0) yield (await running.shift()) as Uint8Array;
  } finally {
    await Promise.allSettled(running);
  }
}

/** Pieces of one size, the last one shorter; each in memory of its own. */
async function* cut(source: Bytes, size: number): AsyncGenerator<Uint8Array> {
  let block = new Uint8Array(size);
  let filled = 0;
  for await (const piece of source) {
    for (let taken = 0; taken < piece.length; ) {
      const some = piece.subarray(taken, taken + size - filled);
      block.set(some, filled);
      taken += some.length;
      filled += some.length;
      if (filled < size) continue;
      yield block;
      block = new Uint8Array(size);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
