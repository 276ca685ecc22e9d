import type { Codec, DigestAlgorithm } from '../base/codec.ts';

/** A chunk to encode, from an open file or from memory. */
export type EncodeRequest = EncodeFileRequest | EncodeDataRequest;

interface EncodeParameters {
  readonly codec: Codec;
  /** zstd level, default 3. */
  readonly level?: number;
}

export interface EncodeFileRequest extends EncodeParameters {
  /** Open file to read from. It stays open and its offset is not moved. */
  readonly fd: number;
  readonly offset: number;
  /** Bytes to read, 1 to 4 MiB. Fewer available bytes reject with `ERR_IO` (the file changed). */
  readonly length: number;
}

export interface EncodeDataRequest extends EncodeParameters {
  /** The plain bytes, 1 byte to 4 MiB. They must not change before the call has settled. */
  readonly data: Uint8Array;
}

export interface EncodedChunk {
  /**
   * All bytes are zero: the chunk is a hole and the other fields are empty arrays. Only for zstd:
   * historical readers know no holes.
   */
  readonly hole: boolean;
  readonly plainDigest: Uint8Array;
  readonly id: Uint8Array;
  readonly stored: Uint8Array;
}

export interface DecodeRequest {
  readonly stored: Uint8Array;
  readonly codec: Codec;
  readonly id: Uint8Array;
  readonly plainDigest: Uint8Array;
  /** Exact size of the plain bytes, 1 to 4 MiB. */
  readonly plainSize: number;
}

export interface DecodeToFileRequest extends DecodeRequest {
  readonly fd: number;
  readonly offset: number;
}

/** A content of one chunk that becomes a file of its own. */
export interface PlaceFileRequest extends DecodeRequest {
  /** Absolute; its last two folders are made when they are missing. */
  readonly path: string;
}

export interface VerifyFileRequest {
  readonly fd: number;
  readonly size: number;
  readonly blockSize: number;
  readonly algorithm: DigestAlgorithm;
  /** 32 bytes for each block, zeros for a hole. */
  readonly plainDigests: Uint8Array;
  /** Bit per block (bit i of byte i >> 3): the blocks to check; absent means all. */
  readonly blocks?: Uint8Array;
}

/** The part of the addon that packs, unpacks and digests. */
export interface CodecBinding {
  /** BLAKE2b without key; `length` 1 to 64 bytes. For short inputs: it runs on the calling thread. */
  blake2b(data: Uint8Array, length: number): Uint8Array;
  /** BLAKE2b-256 of a whole file, off the JS thread. */
  digestFile(path: string): Promise<Uint8Array>;
  encodeChunk(request: EncodeRequest): Promise<EncodedChunk>;
  /**
   * Verifies id, decodes, verifies the plain digest.
   * @throws ERR_CHUNK_CORRUPT with details `id`, `stage` ('id' | 'decode' | 'digest')
   */
  decodeChunk(request: DecodeRequest): Promise<Uint8Array>;
  /** The same on a thread of its own: it goes on while those of the pool wait for a disk. */
  decodeChunkApart(request: DecodeRequest): Promise<Uint8Array>;
  /**
   * As {@link decodeChunk}, then writes the plain bytes at `offset`; zero pages below the end of the
   * file become or stay holes. Nothing is written when the chunk is corrupt.
   * @throws ERR_CHUNK_CORRUPT, ERR_CACHE_FULL when there is no room, ERR_IO
   */
  decodeToFile(request: DecodeToFileRequest): Promise<void>;
  /**
   * Verifies, decodes and verifies up to 64 chunks as {@link decodeChunk}, and makes each a sealed
   * file (mode 0444, mtime exactly 1 s). A file that fails leaves nothing behind and is not the
   * others' affair.
   *
   * @returns for each: the bytes that the file takes on its disk, -1 when something is there already,
   *   -2 when the file system has no files without a name (O_TMPFILE), or a `G8Error` (ERR_CHUNK_CORRUPT, ERR_CACHE_FULL, ERR_PERMISSION, ERR_IO)
   */
  placeFiles(requests: readonly PlaceFileRequest[]): Promise<(number | Error)[]>;
  /**
   * Bit per block: set where the file's bytes match the digest (or the block was not asked for). For
   * a large file ask for some blocks at a time.
   */
  verifyFile(request: VerifyFileRequest): Promise<Uint8Array>;
  zstdCompress(data: Uint8Array, level: number): Promise<Uint8Array>;
}
