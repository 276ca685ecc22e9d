/**
 * Compressed byte streams as plain ones and back, piece by piece: memory is bounded whatever the bytes
 * claim to contain. Pieces are read only when they are asked for. Each call has a decoder of its own and
 * frees it, whatever happens.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { G8Error } from '../base/errors.ts';
import type { NativeStream, StreamBinding, StreamKind } from '../native/addon.ts';

type Bytes = AsyncIterable<Uint8Array>;

/** What one call of a decoder gives at most. */
const OUTPUT_MAX = 1024 * 1024;
/** How many pieces zlib's stream reads ahead. */
const READ_AHEAD_PIECES = 2;
const NOTHING = new Uint8Array(0);

/** How the first bytes of a stream say it is compressed; the others can be named but not read. */
export type Compression = 'gzip' | 'zstd' | 'xz' | 'plain' | 'bzip2' | 'lz4' | 'compress';

/** Bytes that {@link detectCompression} looks at. */
export const MAGIC_SIZE_MAX = 6;

// `0x5?` stands for the sixteen magic numbers of skippable frames, with which parallel tools begin.
const MAGICS: readonly (readonly [Compression, RegExp])[] = [
  ['gzip', /^1f8b/],
  ['zstd', /^28b52ffd/],
  ['zstd', /^5.2a4d18/],
  ['xz', /^fd377a585a00/],
  ['bzip2', /^425a68/],
  ['lz4', /^04224d18/],
  ['compress', /^1f9d/],
];

/** @param head first bytes of a stream, {@link MAGIC_SIZE_MAX} or all there are */
export function detectCompression(head: Uint8Array): Compression {
  const hex = Buffer.from(head.subarray(0, MAGIC_SIZE_MAX)).toString('hex');
  return MAGICS.find(([, pattern]) => pattern.test(hex))?.[0] ?? 'plain';
}

/**
 * Plain bytes of a stream that may be compressed, as its first bytes tell. Streams of several members,
 * frames or blocks are read to their end.
 *
 * @throws ERR_FLIST_FORMAT when it is broken, cut off, needs a window above 128 MiB or is compressed in a
 *   way that is not read here; what the source throws
 */
export async function* decompress(
  source: Bytes,
  streams: StreamBinding,
): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  try {
    let head: Uint8Array = NOTHING;
    while (head.length < MAGIC_SIZE_MAX) {
      const { done, value } = await pieces.next();
      if (done === true) break;
      head = head.length === 0 ? value : Buffer.concat([head, value]);
    }
    const all = remaining(head, pieces);
    const compression = detectCompression(head);
    switch (compression) {
      case 'plain':
        yield* all;
        return;
      case 'gzip':
        yield* gunzip(all);
        return;
      case 'zstd':
      case 'xz':
        yield* decodeStream(`${compression}-decode`, all, streams);
        return;
      case 'bzip2':
      case 'lz4':
      case 'compress':
        throw new G8Error('ERR_FLIST_FORMAT', `Compression with ${compression} is not supported`);
    }
  } finally {
    await pieces.return?.();
  }
}

/**
 * Decodes a stream of a known kind.
 *
 * @throws ERR_FLIST_FORMAT; what the source throws
 */
export function decodeStream(
  kind: 'zstd-decode' | 'xz-decode',
  source: Bytes,
  streams: StreamBinding,
): AsyncGenerator<Uint8Array> {
  return runStream(() => streams.openStream(kind), source);
}

/**
 * Compresses into one zstd frame with a checksum: the same bytes and level give the same frame, however
 * the source is cut into pieces.
 *
 * @param level 1 to 22
 * @throws what the source throws
 */
export function encodeStream(
  kind: 'zstd',
  level: number,
  source: Bytes,
  streams: StreamBinding,
): AsyncGenerator<Uint8Array> {
  const native: StreamKind = `${kind}-encode`;
  return runStream(() => streams.openStream(native, level), source);
}

async function* runStream(open: () => NativeStream, source: Bytes): AsyncGenerator<Uint8Array> {
  const stream = open();
  try {
    for await (const piece of source) {
      for (let rest = piece; rest.length > 0; ) {
        const { consumed, output } = await stream.run(rest, { outputMax: OUTPUT_MAX });
        if (output.length > 0) yield output;
        rest = rest.subarray(consumed);
      }
    }
    for (let isDone = false; !isDone; ) {
      const { output, done } = await stream.run(NOTHING, { last: true, outputMax: OUTPUT_MAX });
      if (output.length > 0) yield output;
      isDone = done;
    }
  } finally {
    stream.close();
  }
}

async function* gunzip(source: Bytes): AsyncGenerator<Uint8Array> {
  const plain = createGunzip({ chunkSize: OUTPUT_MAX });
  // Ends both sides, whichever fails; the error comes out of `plain`.
  pipeline(Readable.from(source, { highWaterMark: READ_AHEAD_PIECES }), plain, () => {});
  try {
    yield* plain as Bytes;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined || !code.startsWith('Z_')) throw error;
    const options = { cause: error };
    throw new G8Error('ERR_FLIST_FORMAT', `gzip data is broken: ${message}`, options);
  }
}

/** What an iterator has left, behind a piece that was taken from it. */
async function* remaining(
  head: Uint8Array,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (;;) {
    const { done, value } = await pieces.next();
    if (done === true) return;
    yield value;
  }
}
