/**
 * What a regular file contains: chunks in order, as plain values. Pure; shared by the records, the
 * mount index and the cache.
 */
import type { Codec, DigestAlgorithm } from '../base/codec.ts';

export const BLOCK_SIZE_DEFAULT = 512 * 1024;
export const BLOCK_SIZE_MIN = 4096;
export const BLOCK_SIZE_MAX = 4 * 1024 * 1024;

/** One chunk of a content: how to ask for it and how to check it. */
export interface Chunk {
  readonly codec: Codec;
  /** Chunk id, 16 or 32 bytes; empty for a hole. */
  readonly id: Uint8Array;
  /** Digest of the plain bytes, 16 or 32 bytes (a legacy chunk's cipher key); empty for a hole. */
  readonly plainDigest: Uint8Array;
  /** Bytes in the store, 0 when unknown. */
  readonly storedSize: number;
}

/** The content of one regular file with size > 0. */
export interface Content {
  readonly size: number;
  /** Power of two, {@link BLOCK_SIZE_MIN} to {@link BLOCK_SIZE_MAX}. */
  readonly blockSize: number;
  readonly algorithm: DigestAlgorithm;
  /** ceil(size / blockSize) chunks; fewer only in broken legacy flists. */
  readonly chunks: readonly Chunk[];
}
