/**
 * One content that is not complete yet, in memory: what it is, which of its blocks are there, and
 * who works on it. Also the check that a content is what its digest says.
 *
 * Concurrency: plain state for one event loop. `users` counts callers that rely on the entry,
 * `operations` the native calls that use its descriptor now.
 */

import { blake2b256Stream, blake2bReady } from '../base/blake2b.ts';
import { equalBytes, toHex } from '../base/bytes.ts';
import { DIGEST, type DigestAlgorithm } from '../base/codec.ts';
import { G8Error } from '../base/errors.ts';
import { plural } from '../base/plural.ts';
import { BLOCK_SIZE_MAX, BLOCK_SIZE_MIN, type Chunk } from '../format/content.ts';
import { contentHeader, digestSizeOf, writeChunkRow } from '../format/index/content-digest.ts';
import type { CodecBinding } from '../native/addon.ts';
import { clearBit, createBitmap, hasBit, setBit } from './bitmap.ts';
import { DIGEST_SIZE, SEGMENT_ROWS } from './records.ts';

/** Blocks of one content: a 4 TiB file in default blocks, whose plain digests take 256 MiB. */
export const CHUNK_COUNT_MAX = 8 * 1024 * 1024;
/** Rows digested before the event loop gets a turn: about 2 ms. */
const ROWS_PER_TURN = 16 * 1024;

/** The row of a lost chunk is nothing else (docs/format.md, section 5). */
const LOST_BYTE = 0xff;

/** A content as a mount index names it. Chunks are read from the index when asked for. */
export interface ContentRef {
  /** Content digest, 32 bytes. */
  readonly digest: Uint8Array;
  readonly size: number;
  readonly blockSize: number;
  readonly algorithm: DigestAlgorithm;
  /** ceil(size / blockSize). */
  readonly chunkCount: number;
  chunk(index: number): Chunk;
}

export class PartialContent {
  readonly digest: Uint8Array;
  /** Hex of the digest. */
  readonly key: string;
  readonly size: number;
  readonly blockSize: number;
  readonly algorithm: DigestAlgorithm;
  readonly chunkCount: number;
  /** Plain digests, 32 bytes each, checked against the content digest. */
  readonly rows: Uint8Array;
  /** Blocks in the file and verified; holes from the start. */
  readonly present: Uint8Array;
  /** Blocks that an earlier process left: to be verified before first use. */
  claimed: Uint8Array | undefined;
  /** The file may hold bytes in absent blocks, which must go before a sparse write. */
  reused = false;
  /** Blocks that are not present. */
  absentCount: number;
  users = 0;
  /** As its record has it. */
  owner: number | undefined;
  operations = 0;
  /** Complete, evicted or closed: nobody may start to work on it. */
  gone = false;
  /** The rename into place that runs. */
  completing: Promise<void> | undefined;
  readonly #rowSegments = new Set<number>();
  readonly #rowSegmentsWritten = new Set<number>();

  constructor(ref: ContentRef, rows: Uint8Array) {
    this.digest = Uint8Array.from(ref.digest);
    this.key = toHex(ref.digest);
    this.size = ref.size;
    this.blockSize = ref.blockSize;
    this.algorithm = ref.algorithm;
    this.chunkCount = ref.chunkCount;
    this.rows = rows;
    this.present = createBitmap(ref.chunkCount);
    let holeCount = 0;
    for (let block = 0; block < this.chunkCount; block++) {
      if (!isHole(rows, block)) continue;
      setBit(this.present, block);
      holeCount++;
    }
    this.absentCount = this.chunkCount - holeCount;
    // One hole: the state has to say so, or the content digest would be taken for its row.
    if (this.chunkCount === 1 && holeCount === 1) this.#rowSegments.add(0);
  }

  /** The content is its only chunk and named by that chunk's plain digest. */
  get isOwnDigest(): boolean {
    return isOwnDigest(this, this.rows);
  }

  /** The chunk table row: the plain digest, zero-padded. */
  row(block: number): Uint8Array {
    return this.rows.subarray(block * DIGEST_SIZE, (block + 1) * DIGEST_SIZE);
  }

  plainDigest(block: number): Uint8Array {
    return this.row(block).subarray(0, digestSizeOf(this.algorithm));
  }

  isHole(block: number): boolean {
    return isHole(this.rows, block);
  }

  isPresent(block: number): boolean {
    return hasBit(this.present, block);
  }

  offset(block: number): number {
    return block * this.blockSize;
  }

  plainSize(block: number): number {
    return Math.min(this.blockSize, this.size - this.offset(block));
  }

  markPresent(block: number): void {
    if (this.isPresent(block)) return;
    setBit(this.present, block);
    this.absentCount--;
    const segment = Math.floor(block / SEGMENT_ROWS);
    if (!this.#rowSegmentsWritten.has(segment)) this.#rowSegments.add(segment);
  }

  markAbsent(block: number): void {
    if (!this.isPresent(block) || isHole(this.rows, block)) return;
    clearBit(this.present, block);
    this.absentCount++;
  }

  /** Takes over what an earlier process recorded, as claims: holes and present blocks stay. */
  claim(bitmap: Uint8Array | undefined): void {
    this.reused = true;
    if (bitmap === undefined || bitmap.length !== this.present.length) return;
    this.claimed = bitmap;
  }

  isClaimed(block: number): boolean {
    return this.claimed !== undefined && hasBit(this.claimed, block) && !this.isPresent(block);
  }

  /** What the next process may claim: verified blocks and claims not looked at yet. */
  claims(): Uint8Array {
    const { claimed } = this;
    if (claimed === undefined) return this.present.slice();
    return this.present.map((byte, index) => byte | (claimed[index] as number));
  }

  /** Row segments with present blocks that the state does not have yet; each is returned once. */
  takeRowSegments(): number[] {
    const segments = [...this.#rowSegments];
    for (const segment of segments) this.#rowSegmentsWritten.add(segment);
    this.#rowSegments.clear();
    return segments;
  }
}

function isOwnDigest(
  shape: Pick<ContentRef, 'chunkCount' | 'algorithm'>,
  rows: Uint8Array,
): boolean {
  if (shape.chunkCount !== 1 || shape.algorithm !== DIGEST.blake2b256) return false;
  return !isHole(rows, 0) && rows.some((byte) => byte !== LOST_BYTE);
}

// Without a view per row: a content may have millions.
function isHole(rows: Uint8Array, block: number): boolean {
  const from = block * DIGEST_SIZE;
  for (let at = from; at < from + DIGEST_SIZE; at++) if (rows[at] !== 0) return false;
  return true;
}

export function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

/**
 * Reads a content's plain digests and checks that they make its content digest: a hostile flist could
 * otherwise fill the file of a content that other images share.
 *
 * @returns 32 bytes for each chunk, zeros for holes, 0xff for lost ones
 * @throws ERR_FLIST_FORMAT
 */
export async function readRows(
  ref: ContentRef,
  addon: Pick<CodecBinding, 'blake2b'>,
): Promise<Uint8Array> {
  checkShape(ref);
  const header = contentHeader(ref);
  const all = new Uint8Array(header.length + ref.chunkCount * DIGEST_SIZE);
  all.set(header);
  const rows = all.subarray(header.length);
  const digestSize = digestSizeOf(ref.algorithm);
  for (let index = 0; index < ref.chunkCount; index++) {
    if (index > 0 && index % ROWS_PER_TURN === 0) await turn();
    const chunk = ref.chunk(index);
    const { length } = chunk.plainDigest;
    if (length !== 0 && length !== digestSize) {
      throw formatError(ref, `chunk ${index} has a digest of ${plural(length, 'byte')}`);
    }
    writeChunkRow(rows, index * DIGEST_SIZE, chunk);
  }
  // Most contents are one chunk and named by it: they are not digested again.
  const isItself = isOwnDigest(ref, rows);
  const digest = isItself ? rows : await digestOf(all, addon);
  if (!equalBytes(digest, ref.digest)) throw formatError(ref, 'does not match its chunks');
  return rows;
}

async function digestOf(
  bytes: Uint8Array,
  addon: Pick<CodecBinding, 'blake2b'>,
): Promise<Uint8Array> {
  const atOnce = ROWS_PER_TURN * DIGEST_SIZE;
  // Nearly all: the first of them need not wait for WebAssembly.
  if (bytes.length <= atOnce) return addon.blake2b(bytes, DIGEST_SIZE);
  await blake2bReady();
  const hash = blake2b256Stream();
  for (let from = 0; from < bytes.length; from += atOnce) {
    hash.update(bytes.subarray(from, from + atOnce));
    await turn();
  }
  return hash.digest();
}

/** Lets others go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function checkShape(ref: ContentRef): void {
  const { digest, size, blockSize, chunkCount } = ref;
  if (digest.length !== DIGEST_SIZE) throw new TypeError('A content digest has 32 bytes');
  const isBlockSize = blockSize >= BLOCK_SIZE_MIN && blockSize <= BLOCK_SIZE_MAX;
  if (!isBlockSize || !Number.isInteger(Math.log2(blockSize))) {
    throw formatError(ref, `has blocks of ${plural(blockSize, 'byte')}`);
  }
  if (!Number.isSafeInteger(size) || size < 1)
    throw formatError(ref, `has ${plural(size, 'byte')}`);
  if (chunkCount !== Math.ceil(size / blockSize) || chunkCount > CHUNK_COUNT_MAX) {
    throw formatError(ref, `has ${plural(chunkCount, 'chunk')} for ${plural(size, 'byte')}`);
  }
}

function formatError(ref: ContentRef, what: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `Content ${toHex(ref.digest)} ${what}`);
}
