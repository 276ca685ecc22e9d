/**
 * One version of one key: what tables and logs both consist of, and the closed set of its types.
 * Pure.
 */
import type { Input } from './input.ts';

/** Longest user key that is accepted. A flist's keys have 64 bytes; a bound keeps key deltas harmless. */
export const KEY_SIZE_MAX = 64 * 1024;

/** Type and sequence number behind each user key in a table. */
export const TRAILER_SIZE = 8;

/** The only ordering that is read: plain byte order. */
export const COMPARATOR = 'leveldb.BytewiseComparator';

/** Record types of tables and write batches (RocksDB's `ValueType`). */
export const TYPE = {
  deletion: 0x0,
  value: 0x1,
  merge: 0x2,
  logData: 0x3,
  familyDeletion: 0x4,
  familyValue: 0x5,
  familyMerge: 0x6,
  singleDeletion: 0x7,
  familySingleDeletion: 0x8,
  noop: 0xd,
  familyRangeDeletion: 0xe,
  rangeDeletion: 0xf,
  familyBlobIndex: 0x10,
  blobIndex: 0x11,
} as const;

/** What a user key was set to at a sequence number. Key and value are views: not to be modified. */
export interface Version {
  readonly key: Uint8Array;
  readonly sequence: number;
  /** `undefined` for a deletion. */
  readonly value: Uint8Array | undefined;
}

/**
 * The version that an entry of a data block stands for.
 *
 * @param internalKey user key and trailer
 * @param input names file and offset for messages
 * @throws ERR_FLIST_VERSION for merges, blobs and whatever else is no plain value
 */
export function decodeVersion(internalKey: Uint8Array, value: Uint8Array, input: Input): Version {
  const keySize = internalKey.length - TRAILER_SIZE;
  if (keySize < 0) throw input.fail('has a key without a sequence number');
  const type = internalKey[keySize] as number;
  let sequence = 0;
  for (let i = TRAILER_SIZE - 1; i > 0; i--) {
    sequence = sequence * 256 + (internalKey[keySize + i] as number);
  }
  if (!Number.isSafeInteger(sequence)) throw input.fail('has a sequence number above 2^53 - 1');
  const key = internalKey.subarray(0, keySize);
  switch (type) {
    case TYPE.value:
      return { key, sequence, value };
    case TYPE.deletion:
    case TYPE.singleDeletion:
      return { key, sequence, value: undefined };
    default:
      throw input.unsupported(`record type ${type}`);
  }
}
