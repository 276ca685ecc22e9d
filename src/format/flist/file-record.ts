/**
 * Contents of regular files: the `File` member of a record and the {@link Content} of the tree, both
 * ways. This is where the chunk ids and keys of all generations become raw bytes. Pure.
 */

import { fromHex, toHex } from '../../base/bytes.ts';
import { CODEC, type Codec, DIGEST, type DigestAlgorithm } from '../../base/codec.ts';
import { G8Error } from '../../base/errors.ts';
import { BLOCK_SIZE_MAX, BLOCK_SIZE_MIN, type Chunk, type Content } from '../content.ts';
import { FILE_CODEC, type FileBlock, type InodeBody } from './records.ts';
import { Unusable } from './unusable.ts';

type FileBody = Extract<InodeBody, { type: 'file' }>;

const BLOCK_SIZE_UNIT = 4096;
/** What historical tools always meant, also by 0. */
const BLOCK_SIZE_UNITS_DEFAULT = 128;
/** Ids and keys of G1 are 64 hex characters, those of G2 and G3 16 bytes, ours 32 bytes. */
const G1_SIZE = 64;
const G2_SIZE = 16;
const ZSTD_SIZE = 32;

const EMPTY = new Uint8Array(0);
const HOLE: Chunk = { codec: CODEC.hole, id: EMPTY, plainDigest: EMPTY, storedSize: 0 };
const HOLE_BLOCK: FileBlock = { hash: EMPTY, key: EMPTY, storedSize: 0 };

const ALGORITHMS: Readonly<Record<Codec, DigestAlgorithm>> = {
  [CODEC.hole]: DIGEST.blake2b256,
  [CODEC.zstd]: DIGEST.blake2b256,
  [CODEC.legacyG1]: DIGEST.sha256,
  [CODEC.legacyG2]: DIGEST.blake2b128,
  [CODEC.lost]: DIGEST.blake2b256,
};

/**
 * Content of a file of `size` bytes; `undefined` when the size is 0.
 *
 * Historical writers lost the last blocks of some large files: such a content has fewer chunks than
 * its size asks for. Blocks behind the end are ignored there, and an error in our own records.
 *
 * @throws Unusable, and ERR_FLIST_VERSION when the codec is unknown
 */
export function contentFromRecord(body: FileBody, size: number): Content | undefined {
  if (body.codec !== FILE_CODEC.historical && body.codec !== FILE_CODEC.zstd) {
    throw new G8Error(
      'ERR_FLIST_VERSION',
      `Flist record has a file of unknown codec ${body.codec}`,
    );
  }
  const blockSize = (body.blockSize || BLOCK_SIZE_UNITS_DEFAULT) * BLOCK_SIZE_UNIT;
  if (blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX || !isPowerOfTwo(blockSize)) {
    throw new Unusable(`has a block size of ${blockSize} bytes`);
  }
  const count = Math.ceil(size / blockSize);
  const isOurs = body.codec === FILE_CODEC.zstd;
  if (isOurs && body.blocks.length !== count) {
    throw new Unusable(`has ${size} bytes in ${body.blocks.length} blocks`);
  }
  if (size === 0) return undefined;
  const chunks = body.blocks
    .slice(0, count)
    .map((block) => (isOurs ? zstdChunk(block, blockSize) : historicalChunk(block)));
  return { size, blockSize, algorithm: algorithmOf(chunks), chunks };
}

function zstdChunk({ hash, key, storedSize }: FileBlock, blockSize: number): Chunk {
  if (hash.length === 0 && key.length === 0) return HOLE;
  if (hash.length !== ZSTD_SIZE || key.length !== ZSTD_SIZE || storedSize > blockSize) {
    throw new Unusable('has a broken chunk reference');
  }
  return { codec: CODEC.zstd, id: hash, plainDigest: key, storedSize };
}

function historicalChunk({ hash, key, storedSize }: FileBlock): Chunk {
  if (hash.length === 0 && key.length === 0) return HOLE;
  if (hash.length === G2_SIZE && key.length === G2_SIZE) {
    return { codec: CODEC.legacyG2, id: hash, plainDigest: key, storedSize };
  }
  if (hash.length === G1_SIZE && key.length === G1_SIZE) {
    const id = fromHex(asciiOf(hash));
    const plainDigest = fromHex(asciiOf(key));
    if (id !== undefined && plainDigest !== undefined) {
      return { codec: CODEC.legacyG1, id, plainDigest, storedSize };
    }
  }
  throw new Unusable('has a broken chunk reference');
}

function algorithmOf(chunks: readonly Chunk[]): DigestAlgorithm {
  const codec = chunks.find((chunk) => chunk.codec !== CODEC.hole)?.codec ?? CODEC.hole;
  if (chunks.some((chunk) => chunk.codec !== CODEC.hole && chunk.codec !== codec)) {
    throw new Unusable('has chunks of several generations');
  }
  return ALGORITHMS[codec];
}

/**
 * The `File` member of a record; `content` is absent for an empty file.
 *
 * @throws ERR_FLIST_FORMAT when a content of our own codec lacks chunks
 */
export function fileToRecord(content: Content | undefined): FileBody {
  if (content === undefined) {
    return {
      type: 'file',
      blockSize: BLOCK_SIZE_UNITS_DEFAULT,
      codec: FILE_CODEC.zstd,
      blocks: [],
    };
  }
  const { size, blockSize } = content;
  const chunks = chunksBeforeLost(content.chunks);
  const isShort = chunks.length < Math.ceil(size / blockSize);
  if (isShort && chunks.some(({ codec }) => codec === CODEC.zstd)) {
    throw new G8Error(
      'ERR_FLIST_FORMAT',
      `File of ${size} bytes lacks chunks that only old tools lose`,
    );
  }
  const isHistorical =
    isShort || chunks.some(({ codec }) => codec === CODEC.legacyG1 || codec === CODEC.legacyG2);
  return {
    type: 'file',
    blockSize: blockSize / BLOCK_SIZE_UNIT,
    codec: isHistorical ? FILE_CODEC.historical : FILE_CODEC.zstd,
    blocks: chunks.map(blockOf),
  };
}

/** Records have no place for a lost chunk: a content ends before its first one. */
function chunksBeforeLost(chunks: readonly Chunk[]): readonly Chunk[] {
  const index = chunks.findIndex(({ codec }) => codec === CODEC.lost);
  return index < 0 ? chunks : chunks.slice(0, index);
}

function blockOf({ codec, id, plainDigest, storedSize }: Chunk): FileBlock {
  if (codec === CODEC.hole) return HOLE_BLOCK;
  if (codec !== CODEC.legacyG1) return { hash: id, key: plainDigest, storedSize };
  return { hash: hexBytes(id), key: hexBytes(plainDigest), storedSize };
}

function hexBytes(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(toHex(bytes));
}

function asciiOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}
