/**
 * Decompression of table blocks. Output is bounded before anything is allocated: by a fixed size and
 * by what the codec can express at best. Pure.
 */
import { inflateRawSync } from 'node:zlib';
import { isG8Error } from '../../base/errors.ts';
import { decodeSnappy } from '../snappy.ts';
import { formatError, Input, versionError } from './input.ts';
import { decodeLz4 } from './lz4.ts';
import { decodeZstd } from './zstd.ts';

/**
 * Largest plain size of a compressed block. Blocks have 4 KiB unless a single record is larger, and a
 * directory record of a million files has about 200 MB.
 */
export const BLOCK_SIZE_MAX = 256 * 1024 * 1024;

/** Compression types of block trailers. */
export const COMPRESSION = { none: 0, snappy: 1, zlib: 2, lz4: 4, lz4hc: 5, zstd: 7 } as const;

/** Best ratios that the formats can express: a larger stated size is a lie. */
const DEFLATE_EXPANSION_MAX = 1040;
const ZSTD_EXPANSION_MAX = 64 * 1024;

/** Format versions from 2 on put the plain size in front of zlib and LZ4 data as a varint. */
const SIZED_FORMAT_VERSION = 2;
const LZ4_OLD_SIZE_FIELD = 8;

/** A stored block without its trailer, and where it came from. */
export interface StoredBlock {
  readonly file: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly compression: number;
}

/**
 * Plain bytes of a block, a view of the stored ones when they are not compressed.
 *
 * @param formatVersion of the table's footer
 * @throws ERR_FLIST_FORMAT when they do not decode; ERR_FLIST_VERSION for an unknown compression
 */
export function decompressBlock(block: StoredBlock, formatVersion: number): Uint8Array {
  if (block.compression === COMPRESSION.none) return block.bytes;
  try {
    return decode(block, formatVersion);
  } catch (error) {
    if (isG8Error(error, 'ERR_FLIST_VERSION')) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw formatError(block.file, block.offset, `has a block that does not decompress (${reason})`);
  }
}

function decode(block: StoredBlock, formatVersion: number): Uint8Array {
  const input = new Input(block.file, block.bytes, block.offset);
  switch (block.compression) {
    case COMPRESSION.snappy:
      return decodeSnappy(block.bytes, BLOCK_SIZE_MAX);
    case COMPRESSION.zlib: {
      if (formatVersion >= SIZED_FORMAT_VERSION) {
        const size = plainSize(input, input.varint32(), DEFLATE_EXPANSION_MAX);
        return exactly(inflate(rest(input), size), size, input);
      }
      const sizeMax = Math.min(BLOCK_SIZE_MAX, input.remaining * DEFLATE_EXPANSION_MAX);
      return inflate(rest(input), sizeMax);
    }
    case COMPRESSION.lz4:
    case COMPRESSION.lz4hc: {
      let size: number;
      if (formatVersion >= SIZED_FORMAT_VERSION) {
        size = input.varint32();
      } else {
        size = input.fixed32();
        input.take(LZ4_OLD_SIZE_FIELD - 4);
      }
      return decodeLz4(rest(input), plainSize(input, size, Infinity));
    }
    case COMPRESSION.zstd: {
      const size = plainSize(input, input.varint32(), ZSTD_EXPANSION_MAX);
      return decodeZstd(rest(input), size);
    }
    default:
      throw versionError(block.file, block.offset, `compression type ${block.compression}`);
  }
}

function rest(input: Input): Uint8Array {
  return input.take(input.remaining);
}

function plainSize(input: Input, size: number, expansionMax: number): number {
  if (size > BLOCK_SIZE_MAX || size > input.remaining * expansionMax) {
    throw input.fail(`states a block of ${size} bytes`);
  }
  return size;
}

function inflate(data: Uint8Array, sizeMax: number): Uint8Array {
  return inflateRawSync(data, { maxOutputLength: Math.max(1, sizeMax) });
}

function exactly(plain: Uint8Array, size: number, input: Input): Uint8Array {
  if (plain.length !== size) throw input.fail(`has a block of ${plain.length}, not ${size} bytes`);
  return plain;
}
