/** What two mentions of a content must agree on, and what its file takes on disk. Pure. */
import { toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { plural } from '../base/plural.ts';
import type { ContentRef } from './content.ts';
import type { ContentRecord } from './records.ts';

/** `st_blocks` counts in these. */
const STAT_BLOCK_BYTES = 512;

export type Shape = Pick<ContentRecord, 'size' | 'blockSize' | 'algorithm'>;

/** A content of one chunk is the same whatever the block size around it. */
export function isSameShape(known: Shape, ref: ContentRef): boolean {
  const isOneChunk = ref.chunkCount === 1 && known.size <= known.blockSize;
  return (
    known.size === ref.size &&
    known.algorithm === ref.algorithm &&
    (isOneChunk || known.blockSize === ref.blockSize)
  );
}

/** @throws ERR_FLIST_FORMAT */
export function requireShape(record: ContentRecord, ref: ContentRef): void {
  if (!isSameShape(record, ref)) throw shapeError(ref);
}

export function shapeError(ref: ContentRef): G8Error {
  const key = toHex(ref.digest);
  return new G8Error(
    'ERR_FLIST_FORMAT',
    `Content ${key} does not have ${plural(ref.size, 'byte')}`,
  );
}

/** Bytes that a file takes on its disk. */
export function allocated(stats: { readonly blocks: bigint } | undefined): number {
  return stats === undefined ? 0 : Number(stats.blocks) * STAT_BLOCK_BYTES;
}
