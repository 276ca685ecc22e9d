/**
 * A gzip file that can be read in the middle (docs/format.md, section 2.2): plain bytes are cut into parts
 * of one size, each a gzip member of its own, and a last member without data lists the sizes of the others.
 * Every gzip reader sees one file. No I/O but zlib's.
 */
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { G8Error } from '../../base/errors.ts';

type Bytes = AsyncIterable<Uint8Array>;

/** Small, since a reader takes whole parts; larger ones would compress by a few percent better. */
const PART_SIZE_MIN = 128 * 1024;
/** What the 16-bit size of an extra field holds, a little less. */
export const PART_COUNT_MAX = 16_000;
/** Parts that are compressed at the same time: zlib's threads are four. */
const PARTS_AT_ONCE = 4;

const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNKNOWN = 255;
/** Magic, deflate, an extra field, no time, no system; then the size of the field. */
const LAST_HEAD = Buffer.from('1f8b08040000000000ff', 'hex');
const HEAD_SIZE = LAST_HEAD.length + 2;
/** Subfield id and its size. */
const SUBFIELD_SIZE = 4;
const SUBFIELD_ID = Buffer.from('G8');
/** No data, its checksum and size. */
const LAST_TAIL = Buffer.from('03000000000000000000', 'hex');
const ENTRY_SIZE = 4;
const MAGIC = Buffer.from('G8UFSPRT');
/** Part size, count, plain size, magic. */
const FOOTER_SIZE = 4 + 4 + 8 + MAGIC.length;
const END_SIZE = FOOTER_SIZE + LAST_TAIL.length;

/** Bytes from the end of a file that mostly have the whole table. */
export const PARTS_TAIL_SIZE = 32 * 1024;

export interface PartsTable {
  readonly partSize: number;
  /** Bytes of the plain file. */
  readonly size: number;
  /** Where each part begins in the packed file, and where the last one ends. */
  readonly offsets: Float64Array;
}

/**
 * Packs plain bytes.
 *
 * @param size how many there are
 */
export async function* gzipParts(plain: Bytes, size: number): AsyncGenerator<Uint8Array> {
  const partSize = partSizeFor(size);
  const sizes: number[] = [];
  const pending: Promise<Uint8Array>[] = [];
  const take = async (): Promise<Uint8Array> => {
    const packed = await (pending.shift() as Promise<Uint8Array>);
    sizes.push(packed.length);
    return packed;
  };
  try {
    for await (const part of cut(plain, partSize)) {
      const packing = pack(part);
      // It is awaited later; until then a failure is not an unhandled one.
      packing.catch(() => {});
      pending.push(packing);
      if (pending.length === PARTS_AT_ONCE) yield await take();
    }
    while (pending.length > 0) yield await take();
  } finally {
    await Promise.allSettled(pending);
  }
  yield lastMember(sizes, partSize, size);
}

function partSizeFor(size: number): number {
  let partSize = PART_SIZE_MIN;
  while (size > partSize * PART_COUNT_MAX) partSize *= 2;
  return partSize;
}

async function pack(part: Uint8Array): Promise<Uint8Array> {
  const packed = await promisify(gzip)(part);
  // zlib names the system it was built for.
  packed[GZIP_OS_OFFSET] = GZIP_OS_UNKNOWN;
  return packed;
}

async function* cut(plain: Bytes, partSize: number): AsyncGenerator<Uint8Array> {
  let part = new Uint8Array(partSize);
  let filled = 0;
  for await (const piece of plain) {
    for (let rest = piece; rest.length > 0; ) {
      const taken = rest.subarray(0, partSize - filled);
      part.set(taken, filled);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled < partSize) continue;
      yield part;
      part = new Uint8Array(partSize);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

function lastMember(sizes: readonly number[], partSize: number, size: number): Uint8Array {
  const tableSize = sizes.length * ENTRY_SIZE + FOOTER_SIZE;
  const extra = Buffer.alloc(SUBFIELD_SIZE + tableSize);
  SUBFIELD_ID.copy(extra);
  extra.writeUInt16LE(tableSize, 2);
  let at = SUBFIELD_SIZE;
  for (const packed of sizes) at = extra.writeUInt32LE(packed, at);
  at = extra.writeUInt32LE(partSize, at);
  at = extra.writeUInt32LE(sizes.length, at);
  at = extra.writeUInt32LE(size % 2 ** 32, at);
  at = extra.writeUInt32LE(Math.floor(size / 2 ** 32), at);
  MAGIC.copy(extra, at);
  const extraSize = Buffer.alloc(2);
  extraSize.writeUInt16LE(extra.length);
  return Buffer.concat([LAST_HEAD, extraSize, extra, LAST_TAIL]);
}

/**
 * The table of a packed file.
 *
 * @param tail last bytes of the file, all of it when it is shorter than {@link PARTS_TAIL_SIZE}
 * @param fileSize bytes of the file
 * @returns `undefined` for every other file; the size of the tail that is needed when it is more
 */
export function readPartsTable(
  tail: Uint8Array,
  fileSize: number,
): PartsTable | number | undefined {
  if (tail.length < END_SIZE || tail.length > fileSize) return undefined;
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  const footer = bytes.length - END_SIZE;
  const end = bytes.length - LAST_TAIL.length;
  const isMarked =
    bytes.subarray(end - MAGIC.length, end).equals(MAGIC) && bytes.subarray(end).equals(LAST_TAIL);
  if (!isMarked) return undefined;
  const partSize = bytes.readUInt32LE(footer);
  const count = bytes.readUInt32LE(footer + 4);
  const size = bytes.readUInt32LE(footer + 12) * 2 ** 32 + bytes.readUInt32LE(footer + 8);
  const isSound =
    count > 0 &&
    count <= PART_COUNT_MAX &&
    partSize >= PART_SIZE_MIN &&
    partSize <= 2 ** 30 &&
    count === Math.ceil(size / partSize);
  if (!isSound) return undefined;
  const lastSize = HEAD_SIZE + SUBFIELD_SIZE + count * ENTRY_SIZE + END_SIZE;
  if (lastSize > tail.length) return lastSize <= fileSize ? lastSize : undefined;
  const offsets = new Float64Array(count + 1);
  for (let i = 0; i < count; i++) {
    const packed = bytes.readUInt32LE(footer + (i - count) * ENTRY_SIZE);
    offsets[i + 1] = (offsets[i] as number) + packed;
  }
  return offsets[count] === fileSize - lastSize ? { partSize, size, offsets } : undefined;
}

/**
 * The plain bytes of a part.
 *
 * @throws ERR_FLIST_FORMAT
 */
export function unpackPart(table: PartsTable, number: number, packed: Uint8Array): Uint8Array {
  const { partSize, size } = table;
  const expected = Math.min(partSize, size - number * partSize);
  try {
    const plain = gunzipSync(packed, { maxOutputLength: expected });
    if (plain.length === expected) return plain;
  } catch (cause) {
    throw new G8Error('ERR_FLIST_FORMAT', `Part ${number} of the flist is damaged`, { cause });
  }
  throw new G8Error('ERR_FLIST_FORMAT', `Part ${number} of the flist is shorter than it says`);
}
