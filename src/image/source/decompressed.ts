/** Archives as they are stored, plain or compressed: told apart by their first bytes. */

import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { G8Error } from '../../base/errors.ts';

type Bytes = AsyncIterable<Uint8Array>;

/** Longest of the magic numbers. */
const HEAD_SIZE = 6;
const MAGICS = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
} as const;

/**
 * The plain bytes of a stream.
 *
 * @throws ERR_FLIST_FORMAT when the compressed bytes are damaged
 */
export async function* decompressed(source: Bytes): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  try {
    let head = Buffer.alloc(0);
    while (head.length < HEAD_SIZE) {
      const { done, value } = await pieces.next();
      if (done === true) break;
      head = Buffer.concat([head, value]);
    }
    const all = rest(pieces, head);
    const format = Object.entries(MAGICS).find(([, magic]) =>
      magic.every((byte, i) => head[i] === byte),
    )?.[0];
    if (format === undefined) yield* all;
    else if (format === 'gzip') yield* gunzipped(all);
    else
      throw new G8Error('ERR_FLIST_FORMAT', `Archives compressed with ${format} are not read yet`);
  } finally {
    await pieces.return?.();
  }
}

async function* rest(
  pieces: AsyncIterator<Uint8Array>,
  head: Uint8Array,
): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (;;) {
    const { done, value } = await pieces.next();
    if (done === true) return;
    yield value;
  }
}

async function* gunzipped(source: Bytes): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  pipeline(Readable.from(source, { highWaterMark: 2 }), gunzip, () => {});
  try {
    yield* gunzip as Bytes;
  } catch (error) {
    if (!String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error;
    throw new G8Error('ERR_FLIST_FORMAT', 'Gzip data is damaged', { cause: error });
  }
}
