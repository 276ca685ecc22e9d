/**
 * The index of a bundle: where its flist, its signature and its chunks are (docs/format.md, section 12).
 * Encodes and decodes; hostile until checked. Pure.
 */
import { compareBytes, toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { plural } from '../base/plural.ts';
import { setUint64 } from './index/content-digest.ts';
import { getUint64 } from './index/source.ts';

/** Members of a bundle. The index comes first, so that it is found without looking. */
export const BUNDLE_MEMBER = {
  index: 'bundle.index',
  info: 'bundle.json',
  flist: 'image.flist',
  signature: 'image.flist.sig',
} as const;

/** Where the data of the first member begins. */
export const BUNDLE_INDEX_OFFSET = 512;
export const BUNDLE_HEADER_SIZE = 128;
export const BUNDLE_ENTRY_SIZE = 48;

const MAGIC = Buffer.from('G8UFSBDL');
const VERSION = 1;
const ID_ROOM = 32;
/** As many chunks as a mount index can have, and an index of 768 MiB. */
const CHUNK_COUNT_MAX = 2 ** 24;

export interface BundleHeader {
  readonly chunkCount: number;
  readonly flistOffset: number;
  readonly flistSize: number;
  /** BLAKE2b-256. */
  readonly flistDigest: Uint8Array;
  /** 0 when there is no signature; then its size is 0 too. */
  readonly signatureOffset: number;
  readonly signatureSize: number;
  /** Bytes of the whole bundle. */
  readonly fileSize: number;
}

export interface BundleEntry {
  /** 16 or 32 bytes. */
  readonly id: Uint8Array;
  readonly offset: number;
  readonly size: number;
}

export function bundleIndexSize(chunkCount: number): number {
  return BUNDLE_HEADER_SIZE + BUNDLE_ENTRY_SIZE * chunkCount;
}

/** The whole index; sorts the entries. */
export function encodeBundleIndex(
  header: BundleHeader,
  entries: readonly BundleEntry[],
): Uint8Array {
  const bytes = new Uint8Array(bundleIndexSize(entries.length));
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, BUNDLE_HEADER_SIZE, true);
  setUint64(view, 16, header.chunkCount);
  setUint64(view, 24, header.fileSize);
  setUint64(view, 32, header.flistOffset);
  setUint64(view, 40, header.flistSize);
  setUint64(view, 48, header.signatureOffset);
  setUint64(view, 56, header.signatureSize);
  bytes.set(header.flistDigest, 64);
  const rows = entries.map((entry) => ({ ...entry, key: paddedId(entry.id) }));
  rows.sort((a, b) => compareBytes(a.key, b.key));
  for (const [i, { id, key, offset, size }] of rows.entries()) {
    const at = BUNDLE_HEADER_SIZE + BUNDLE_ENTRY_SIZE * i;
    bytes.set(key, at);
    setUint64(view, at + 32, offset);
    view.setUint32(at + 40, size, true);
    view.setUint8(at + 44, id.length);
  }
  return bytes;
}

/** An id as it stands in the index: 32 bytes, short ones filled with zeros. */
export function paddedId(id: Uint8Array): Uint8Array {
  const key = new Uint8Array(ID_ROOM);
  key.set(id);
  return key;
}

/** Whether a file that begins so is a bundle. */
export function isBundleStart(start: Uint8Array): boolean {
  const name = Buffer.from(`${BUNDLE_MEMBER.index}\0`);
  const magic = start.subarray(BUNDLE_INDEX_OFFSET, BUNDLE_INDEX_OFFSET + MAGIC.length);
  return (
    compareBytes(start.subarray(0, name.length), name) === 0 && compareBytes(magic, MAGIC) === 0
  );
}

/**
 * @param bytes the first {@link BUNDLE_HEADER_SIZE} bytes of the index
 * @param fileSize bytes that the file really has
 * @throws ERR_FLIST_FORMAT, also for a bundle that was cut; ERR_FLIST_VERSION
 */
export function decodeBundleHeader(bytes: Uint8Array, fileSize: number): BundleHeader {
  if (bytes.length < BUNDLE_HEADER_SIZE) throw malformed('its index is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint32(8, true);
  if (version > VERSION) {
    throw new G8Error('ERR_FLIST_VERSION', `Bundle has the unknown version ${version}`);
  }
  const number = (at: number): number => getUint64(view, at) ?? Number.NaN;
  const header: BundleHeader = {
    chunkCount: number(16),
    fileSize: number(24),
    flistOffset: number(32),
    flistSize: number(40),
    signatureOffset: number(48),
    signatureSize: number(56),
    flistDigest: bytes.slice(64, 96),
  };
  if (version !== VERSION || view.getUint32(12, true) !== BUNDLE_HEADER_SIZE) {
    throw malformed('its header is none');
  }
  if (header.fileSize !== fileSize) {
    throw malformed(`it has ${plural(fileSize, 'byte')} instead of ${header.fileSize}`);
  }
  if (!(header.chunkCount <= CHUNK_COUNT_MAX)) throw malformed('it has too many chunks');
  const end = BUNDLE_INDEX_OFFSET + bundleIndexSize(header.chunkCount);
  const isInside = (offset: number, size: number): boolean =>
    offset >= end && size >= 0 && offset + size <= fileSize;
  const { flistOffset, flistSize, signatureOffset, signatureSize } = header;
  const isSound =
    isInside(flistOffset, flistSize) &&
    (signatureSize === 0 || isInside(signatureOffset, signatureSize));
  if (!isSound) throw malformed('its members are outside of it');
  return header;
}

/**
 * @param row {@link BUNDLE_ENTRY_SIZE} bytes
 * @throws ERR_FLIST_FORMAT when it points outside the bundle
 */
export function decodeBundleEntry(
  row: Uint8Array,
  { chunkCount, fileSize }: BundleHeader,
  sizeMax: number,
): BundleEntry {
  const view = new DataView(row.buffer, row.byteOffset, row.length);
  const idSize = view.getUint8(44);
  const offset = getUint64(view, 32) ?? Number.NaN;
  const size = view.getUint32(40, true);
  const isSound =
    (idSize === 16 || idSize === 32) &&
    size > 0 &&
    size <= sizeMax &&
    offset >= BUNDLE_INDEX_OFFSET + bundleIndexSize(chunkCount) &&
    offset + size <= fileSize;
  if (!isSound) throw malformed(`a chunk is outside of it`);
  return { id: row.slice(0, idSize), offset, size };
}

/** Name of a chunk's member: the static layout of a chunk store. */
export function bundleChunkName(id: Uint8Array): string {
  const hex = toHex(id);
  return `chunks/${hex.slice(0, 2)}/${hex}`;
}

function malformed(reason: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `Bundle is malformed: ${reason}`);
}
