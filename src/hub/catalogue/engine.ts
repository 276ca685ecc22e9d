/**
 * What the catalogue asks of a database: ordered keys, and writes that happen only if nobody else
 * changed what they rest on. Knows bytes only; what they mean: `records.ts`.
 *
 * Every engine passes `test/contract/catalogue-contract.ts`.
 */

export interface CatalogueEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface ScanOptions {
  /** Only keys that begin with these bytes. */
  readonly prefix: Uint8Array;
  /** Only keys behind this one, which itself is left out. Default: from the first. */
  readonly after?: Uint8Array | undefined;
  /** Entries at most. Default: all. */
  readonly limit?: number | undefined;
}

export interface Commit {
  /** What must still be so: the bytes under a key, or that there are none. */
  readonly checks: readonly {
    readonly key: Uint8Array;
    readonly expected: Uint8Array | undefined;
  }[];
  /** New values; `undefined` deletes. No key twice. */
  readonly writes: readonly { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[];
}

/** All methods may be called at the same time. Errors: `ERR_STORE_UNAVAILABLE` may pass, `ERR_IO` will not. */
export interface CatalogueEngine {
  /** URL for messages, without credentials. */
  readonly name: string;
  /** Nobody else has it open: what others have left to run out is of the dead. */
  readonly isExclusive: boolean;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** A value per key, in their order. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /**
   * Entries in the order of their keys' bytes. No snapshot: what is written meanwhile may be among
   * them or not, but nothing that stays is left out or comes twice.
   */
  scan(options: ScanOptions): AsyncIterable<CatalogueEntry>;
  /**
   * Writes all or nothing; on the device when it resolves.
   *
   * @returns false when a check failed: nothing is written, the caller reads again
   */
  commit(commit: Commit): Promise<boolean>;
  /** Ends running calls first. Idempotent. */
  close(): Promise<void>;
}

/** Keys of one `getMany` and entries of one page of a scan: bounds the memory of a call. */
export const PAGE_COUNT = 512;

/** The first key behind all that begin with `prefix`; `undefined` when there is none. */
export function endOfPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  // A copy: `slice` of a Buffer would share its bytes.
  const end = Uint8Array.from(prefix.subarray(0, length));
  end[length - 1] = (end[length - 1] as number) + 1;
  return end;
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}
