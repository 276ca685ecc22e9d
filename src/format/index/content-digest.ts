/**
 * Identity of a content: its rows in the chunk table and the digest over them (docs/format.md,
 * section 5). Pure.
 */
import { blake2b256Stream } from '../../base/blake2b.ts';
import { CODEC, DIGEST, type DigestAlgorithm } from '../../base/codec.ts';
import { G8Error } from '../../base/errors.ts';
import { BLOCK_SIZE_MAX, BLOCK_SIZE_MIN, type Chunk, type Content } from '../content.ts';

export const CHUNK_ROW_SIZE = 32;

const CONTEXT = Buffer.from('g8ufs content 1\0');
/** Rows digested at once: 64 KiB, so that long contents need no buffer of their own length. */
const ROWS_AT_ONCE = 2048;

/** Digest that names a content. */
export function contentDigest(content: Content): Uint8Array {
  const count = chunkCountOf(content);
  const only = content.chunks[0];
  if (count === 1 && only !== undefined && content.algorithm === DIGEST.blake2b256) {
    if (only.codec !== CODEC.hole && only.codec !== CODEC.lost) return only.plainDigest;
  }
  const hash = blake2b256Stream();
  hash.update(contentHeader(content));
  const buffer = new Uint8Array(Math.min(count, ROWS_AT_ONCE) * CHUNK_ROW_SIZE);
  let used = 0;
  for (let i = 0; i < count; i++) {
    if (used + CHUNK_ROW_SIZE > buffer.length) {
      hash.update(buffer.subarray(0, used));
      used = 0;
    }
    writeChunkRow(buffer, used, content.chunks[i]);
    used += CHUNK_ROW_SIZE;
  }
  hash.update(buffer.subarray(0, used));
  return hash.digest();
}

/** What stands before the rows in the bytes that a content digest covers. */
export function contentHeader(
  content: Pick<Content, 'algorithm' | 'blockSize' | 'size'>,
): Uint8Array {
  const header = new Uint8Array(CONTEXT.length + 10);
  const view = new DataView(header.buffer);
  header.set(CONTEXT);
  view.setUint8(CONTEXT.length, content.algorithm);
  view.setUint8(CONTEXT.length + 1, Math.log2(content.blockSize));
  setUint64(view, CONTEXT.length + 2, content.size);
  return header;
}

/** Rows that a content has: also those for which a broken flist names no chunk. */
export function chunkCountOf(content: Content): number {
  return Math.ceil(content.size / content.blockSize);
}

/** Writes the identity of one chunk; `undefined` is a lost one. Overwrites the whole row. */
export function writeChunkRow(target: Uint8Array, offset: number, chunk: Chunk | undefined): void {
  const end = offset + CHUNK_ROW_SIZE;
  if (chunk === undefined || chunk.codec === CODEC.lost) {
    target.fill(0xff, offset, end);
  } else if (chunk.codec === CODEC.hole) {
    target.fill(0, offset, end);
  } else {
    target.set(chunk.plainDigest, offset);
    target.fill(0, offset + chunk.plainDigest.length, end);
  }
}

/** Bytes of a plain digest. */
export function digestSizeOf(algorithm: DigestAlgorithm): number {
  return algorithm === DIGEST.blake2b128 ? 16 : 32;
}

/** @throws ERR_FLIST_FORMAT when a content breaks a rule that its readers rely on */
export function checkContent(content: Content): void {
  const { size, blockSize, algorithm, chunks } = content;
  if (!Number.isSafeInteger(size) || size <= 0)
    throw invalid(`Content size ${size} is out of range`);
  if (
    blockSize < BLOCK_SIZE_MIN ||
    blockSize > BLOCK_SIZE_MAX ||
    (blockSize & (blockSize - 1)) !== 0
  ) {
    throw invalid(`Block size ${blockSize} is not a power of two from 4 KiB to 4 MiB`);
  }
  if (algorithm < DIGEST.blake2b256 || algorithm > DIGEST.sha256) {
    throw invalid(`Digest algorithm ${algorithm} is unknown`);
  }
  if (chunks.length > chunkCountOf(content)) {
    throw invalid(`Content of ${size} bytes has ${chunks.length} chunks of ${blockSize} bytes`);
  }
  const digestSize = digestSizeOf(algorithm);
  for (const { codec, id, plainDigest } of chunks) {
    if (codec === CODEC.hole || codec === CODEC.lost) continue;
    if (id.length !== 16 && id.length !== 32) throw invalid(`Chunk id has ${id.length} bytes`);
    if (plainDigest.length !== digestSize) {
      throw invalid(`Plain digest has ${plainDigest.length} bytes instead of ${digestSize}`);
    }
    if (isReserved(plainDigest)) throw invalid('Plain digest has a reserved value');
  }
}

/** All zeros mean a hole, 32 bytes of 0xff a lost chunk: a real digest is neither. */
function isReserved(plainDigest: Uint8Array): boolean {
  const first = plainDigest[0];
  if (first !== 0 && (first !== 0xff || plainDigest.length < CHUNK_ROW_SIZE)) return false;
  return plainDigest.every((byte) => byte === first);
}

/** Writes a number up to 2^53 - 1 as 8 bytes, little endian. */
export function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

function invalid(message: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', message);
}
