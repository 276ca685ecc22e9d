/** What makes rows of `mount.contents` and `mount.chunks` sound, however they are read. Pure. */
import { CODEC, type Codec, DIGEST } from '../../base/codec.ts';
import { BLOCK_SIZE_MAX, BLOCK_SIZE_MIN } from '../content.ts';

/** Sums over a mount index; sizes in bytes. */
export interface ContentsTotals {
  readonly inodes: number;
  readonly contents: number;
  readonly chunks: number;
  /** Bytes of all regular files, hard links once. */
  readonly fileBytes: number;
  /** Bytes of all contents, each once. */
  readonly contentBytes: number;
}

interface ContentFields {
  readonly size: number;
  readonly blockSize: number;
  readonly algorithm: number;
  readonly firstChunk: number;
  readonly chunkCount: number;
  readonly dataBytes: number;
}

/** @param chunkTotal chunks of all contents */
export function isSoundContent(content: ContentFields, chunkTotal: number): boolean {
  const { size, blockSize, algorithm, firstChunk, chunkCount, dataBytes } = content;
  return (
    size > 0 &&
    blockSize >= BLOCK_SIZE_MIN &&
    blockSize <= BLOCK_SIZE_MAX &&
    algorithm >= DIGEST.blake2b256 &&
    algorithm <= DIGEST.sha256 &&
    chunkCount === Math.ceil(size / blockSize) &&
    firstChunk + chunkCount <= chunkTotal &&
    dataBytes <= size
  );
}

/**
 * Codec of a chunk that has no data to fetch; `undefined` for every other row.
 *
 * @param words that have its plain digest at `at`: bytes or larger, the values that matter repeat
 */
export function absentCodecOf(
  words: Uint8Array | Uint32Array,
  at = 0,
  length = 32 / words.BYTES_PER_ELEMENT,
): Codec | undefined {
  const first = words[at] as number;
  if (first !== 0 && first !== 2 ** (8 * words.BYTES_PER_ELEMENT) - 1) return undefined;
  for (let i = 1; i < length; i++) if (words[at + i] !== first) return undefined;
  return first === 0 ? CODEC.hole : CODEC.lost;
}

export function isDataCodec(codec: number): codec is Codec {
  return codec === CODEC.zstd || codec === CODEC.legacyG1 || codec === CODEC.legacyG2;
}
