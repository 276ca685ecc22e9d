/** Closed sets of numbers that stand in files: chunk codecs and digest algorithms. */

/**
 * Codec of a stored chunk (docs/format.md, section 6). `lost` stands where a broken flist names no
 * chunk: there is nothing to fetch, reads fail.
 */
export const CODEC = { hole: 0, zstd: 1, legacyG1: 2, legacyG2: 3, lost: 0xff } as const;
export type Codec = (typeof CODEC)[keyof typeof CODEC];

/** Algorithm of plain digests (docs/format.md, section 5). */
export const DIGEST = { blake2b256: 1, blake2b128: 2, sha256: 3 } as const;
export type DigestAlgorithm = (typeof DIGEST)[keyof typeof DIGEST];
