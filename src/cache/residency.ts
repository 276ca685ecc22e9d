import type { DiskTrust } from '../native/addon.ts';

/**
 * What the cache has to agree on with whoever serves its files: the native driver, which holds
 * content files open, or nobody (tools).
 */
export interface Residency {
  /**
   * A partial content file is there; the receiver duplicates the descriptor during the call. May be
   * called again for the same file with more blocks present.
   *
   * @param file `present`: bit per block
   */
  attach(
    digest: Uint8Array,
    file: { fd: number; size: number; blockSize: number; present: Uint8Array },
  ): void;
  /** These blocks are in the file now. */
  present(digest: Uint8Array, block: number, count: number): void;
  /** The complete file is in its place. */
  complete(digest: Uint8Array): void;
  /** Verified bytes of a block that is not on disk: for whoever reads now, then forgotten. */
  lend(digest: Uint8Array, block: number, bytes: Uint8Array): void;
  /** What files may be used for from now on; see {@link DiskTrust}. */
  trust(trust: DiskTrust): void;
  /** Asks to forget a content; false when it is open or waited for. */
  drop(digest: Uint8Array): boolean;
  /** Digests (32 bytes each, concatenated) opened since the last call. */
  touched(): Uint8Array;
}

/** For programs that work on a cache without serving it. */
export const NO_RESIDENCY: Residency = {
  attach: () => {},
  present: () => {},
  complete: () => {},
  lend: () => {},
  trust: () => {},
  drop: () => true,
  touched: () => new Uint8Array(0),
};
