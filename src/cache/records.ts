/**
 * Keys and values of the state database. Pure; layouts in docs/decisions/0004-cache-sealed-files.md.
 * Numbers in keys are big endian so that they sort, in values little endian.
 */
import { BLOCK_SIZE_MAX, BLOCK_SIZE_MIN } from '../format/content.ts';

export const DIGEST_SIZE = 32;
/** Rows of plain digests per state value: 32 KiB values, one for most contents. */
export const SEGMENT_ROWS = 1024;

const RECORD_VERSION = 1;
const RECORD_SIZE = 32;
const FLAG_COMPLETE = 1;
const FLAG_DURABLE = 2;
const FLAG_PINNED = 4;

/** What the state knows of one content. */
export interface ContentRecord {
  /** All blocks are there and the file is in `files/` (or was about to be renamed into it). */
  readonly complete: boolean;
  /** The complete file was fsynced: it survives a power loss. */
  readonly durable: boolean;
  readonly pinned: boolean;
  readonly algorithm: number;
  readonly blockSize: number;
  readonly size: number;
  /** Bytes allocated on disk. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly lastUseMs: number;
  /** Whose bound it counts against (`quota.ts`); absent: nobody's. */
  readonly owner?: number | undefined;
}

export interface Totals {
  readonly files: number;
  readonly partialFiles: number;
  readonly bytes: number;
  /** Bytes of each owner that has any. */
  readonly owned: Readonly<Record<string, number>>;
}

export interface Meta {
  readonly bootId: string;
  /** The last owner closed the cache with every complete file durable. */
  readonly clean: boolean;
}

/** First bytes of the key of each kind of value. */
export const PREFIX = {
  content: 0x63, // c
  presence: 0x70, // p
  rows: 0x64, // d
  source: 0x6b, // k
  use: 0x75, // u
  owned: 0x6f, // o
  pending: 0x6e, // n
  meta: 0x6d, // m
} as const;

export const META_KEY = Uint8Array.of(PREFIX.meta, 0);
export const TOTALS_KEY = Uint8Array.of(PREFIX.meta, 1);

function digestKey(prefix: number, digest: Uint8Array, extra = 0): Buffer {
  const key = Buffer.alloc(1 + digest.length + extra);
  key[0] = prefix;
  key.set(digest, 1);
  return key;
}

/** Content digest → {@link ContentRecord}. */
export function contentKey(digest: Uint8Array): Uint8Array {
  return digestKey(PREFIX.content, digest);
}

/** Content digest → 16 zero bytes and the bitmap of a partial content. */
export function presenceKey(digest: Uint8Array): Uint8Array {
  return digestKey(PREFIX.presence, digest);
}

/** Content digest, segment → up to {@link SEGMENT_ROWS} plain digests. */
export function rowsKey(digest: Uint8Array, segment: number): Uint8Array {
  const key = digestKey(PREFIX.rows, digest, 4);
  key.writeUInt32BE(segment, 1 + DIGEST_SIZE);
  return key;
}

/** Content digest → empty; complete and not durable yet. */
export function pendingKey(digest: Uint8Array): Uint8Array {
  return digestKey(PREFIX.pending, digest);
}

/** Algorithm, plain digest → content digest and block that hold these bytes. */
export function sourceKey(algorithm: number, row: Uint8Array): Uint8Array {
  const key = Buffer.alloc(2 + DIGEST_SIZE);
  key[0] = PREFIX.source;
  key[1] = algorithm;
  key.set(row, 2);
  return key;
}

/** Last use, content digest → empty: the order of eviction. */
export function useKey(lastUseMs: number, digest: Uint8Array): Uint8Array {
  const key = Buffer.alloc(9 + DIGEST_SIZE);
  key[0] = PREFIX.use;
  key.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(lastUseMs))), 1);
  key.set(digest, 9);
  return key;
}

/** The content digest at the end of a {@link useKey}. */
export function digestOfUseKey(key: Uint8Array): Uint8Array {
  return new Uint8Array(key.subarray(9, 9 + DIGEST_SIZE));
}

/** Milliseconds since 1970 of a {@link useKey}. */
export function timeOfUseKey(key: Uint8Array): number {
  return Number(new DataView(key.buffer, key.byteOffset, key.byteLength).getBigUint64(1));
}

/** Owner, last use, content digest → empty: the order of eviction of what belongs to one. */
export function ownedKey(owner: number, lastUseMs: number, digest: Uint8Array): Uint8Array {
  const key = Buffer.alloc(5 + 8 + DIGEST_SIZE);
  key[0] = PREFIX.owned;
  key.writeUInt32BE(owner, 1);
  key.set(useKey(lastUseMs, digest).subarray(1), 5);
  return key;
}

/** The content digest at the end of an {@link ownedKey}. */
export function digestOfOwnedKey(key: Uint8Array): Uint8Array {
  return new Uint8Array(key.subarray(13, 13 + DIGEST_SIZE));
}

export function encodeRecord(record: ContentRecord): Uint8Array {
  const value = Buffer.alloc(RECORD_SIZE);
  value[0] = RECORD_VERSION;
  value[1] =
    (record.complete ? FLAG_COMPLETE : 0) |
    (record.durable ? FLAG_DURABLE : 0) |
    (record.pinned ? FLAG_PINNED : 0);
  value[2] = record.algorithm;
  value[3] = Math.log2(record.blockSize);
  value.writeUInt32LE(record.owner ?? 0, 4);
  value.writeDoubleLE(record.lastUseMs, 8);
  value.writeDoubleLE(record.size, 16);
  value.writeDoubleLE(record.bytes, 24);
  return value;
}

/** @returns `undefined` when the value is not a record of this version: the content is unknown */
export function decodeRecord(value: Uint8Array | undefined): ContentRecord | undefined {
  if (value === undefined || value.length !== RECORD_SIZE) return undefined;
  if (value[0] !== RECORD_VERSION) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const flags = view.getUint8(1);
  const blockSize = 2 ** view.getUint8(3);
  const lastUseMs = view.getFloat64(8, true);
  const size = view.getFloat64(16, true);
  const bytes = view.getFloat64(24, true);
  const owner = view.getUint32(4, true);
  if (blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX) return undefined;
  if (!Number.isSafeInteger(size) || size < 1 || !(bytes >= 0) || !(lastUseMs >= 0))
    return undefined;
  return {
    complete: (flags & FLAG_COMPLETE) !== 0,
    durable: (flags & FLAG_DURABLE) !== 0,
    pinned: (flags & FLAG_PINNED) !== 0,
    algorithm: view.getUint8(2),
    blockSize,
    size,
    bytes,
    lastUseMs,
    ...(owner === 0 ? {} : { owner }),
  };
}

export function encodeJson(value: Totals | Meta): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

export function decodeTotals(value: Uint8Array | undefined): Totals {
  const totals = parse(value) as Partial<Record<keyof Totals, unknown>>;
  const { files, partialFiles, bytes, owned } = totals;
  const sums = typeof owned === 'object' && owned !== null ? Object.entries(owned) : [];
  return {
    files: count(files),
    partialFiles: count(partialFiles),
    bytes: count(bytes),
    owned: Object.fromEntries(sums.map(([owner, sum]) => [owner, count(sum)])),
  };
}

/** An unreadable value counts as an unclean shutdown in an unknown boot. */
export function decodeMeta(value: Uint8Array | undefined): Meta {
  const { bootId, clean } = parse(value) as Partial<Record<keyof Meta, unknown>>;
  return { bootId: typeof bootId === 'string' ? bootId : '', clean: clean === true };
}

function parse(value: Uint8Array | undefined): Record<string, unknown> {
  if (value === undefined) return {};
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value).toString());
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value) ? value : 0;
}
