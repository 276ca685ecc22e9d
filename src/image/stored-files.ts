/**
 * Rows of what the addon's `storeFiles` answers: one per file. Pure.
 */
import type { Chunk } from '../format/content.ts';

const DIGEST_SIZE = 32;
const SIZE_OFFSET = 2 * DIGEST_SIZE;
const FLAGS_OFFSET = SIZE_OFFSET + 4;
const ROW_SIZE = FLAGS_OFFSET + 4;
const HOLE = 1;
const WRITTEN = 2;

export interface StoredFile extends Omit<Chunk, 'codec'> {
  /** The store did not have the chunk. */
  readonly isNew: boolean;
}

/** The chunk of a file; `undefined` for a hole. Its digests are part of `rows`. */
export function readStoredFile(rows: Uint8Array, index: number): StoredFile | undefined {
  const start = index * ROW_SIZE;
  const flags = rows[start + FLAGS_OFFSET] as number;
  if ((flags & HOLE) !== 0) return undefined;
  const size = start + SIZE_OFFSET;
  return {
    plainDigest: rows.subarray(start, start + DIGEST_SIZE),
    id: rows.subarray(start + DIGEST_SIZE, size),
    storedSize: new DataView(rows.buffer, rows.byteOffset).getUint32(size, true),
    isNew: (flags & WRITTEN) !== 0,
  };
}
