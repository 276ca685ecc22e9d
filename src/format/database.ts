/**
 * A flist's records as a sorted map of byte strings: all that the record layer asks of a database,
 * whichever engine wrote it.
 */
export interface MetadataDatabase {
  /** Value under the key, `undefined` when absent. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** All live records in byte order of the key. */
  entries(): Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
}
