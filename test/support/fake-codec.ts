/**
 * The codec half of the addon without native code: the identity codec (stored bytes are the plain
 * bytes), verified and written as the addon does, zero pages left sparse.
 */

import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { blake2b } from '../../src/base/blake2b.ts';
import { equalBytes } from '../../src/base/bytes.ts';
import { G8Error } from '../../src/base/errors.ts';
import type {
  CodecBinding,
  DecodeRequest,
  DecodeToFileRequest,
  EncodedChunk,
  EncodeRequest,
  PlaceFileRequest,
  StreamBinding,
  VerifyFileRequest,
} from '../../src/native/addon.ts';

const read = promisify(fs.read);
const write = promisify(fs.write);
const PAGE = 4096;

export class FakeCodec implements CodecBinding, StreamBinding {
  /** Set to make writes of blocks fail or wait. */
  beforeWrite: (request: DecodeToFileRequest) => Promise<void> = async () => {};
  verifiedBlocks = 0;
  #placed = 0;

  blake2b(data: Uint8Array, length: number): Uint8Array {
    return blake2b(data, length);
  }

  async decodeChunk({ stored, id, plainDigest, plainSize }: DecodeRequest): Promise<Uint8Array> {
    if (!equalBytes(blake2b(stored, id.length), id)) throw corrupt('id');
    if (stored.length !== plainSize) throw corrupt('decode');
    if (!equalBytes(blake2b(stored, plainDigest.length), plainDigest)) throw corrupt('digest');
    return stored;
  }

  decodeChunkApart(request: DecodeRequest): Promise<Uint8Array> {
    return this.decodeChunk(request);
  }

  async decodeToFile(request: DecodeToFileRequest): Promise<void> {
    const plain = await this.decodeChunk(request);
    await this.beforeWrite(request);
    for (let at = 0; at < plain.length; at += PAGE) {
      const page = plain.subarray(at, at + PAGE);
      if (page.every((byte) => byte === 0)) continue;
      try {
        await write(request.fd, page, 0, page.length, request.offset + at);
      } catch (error) {
        const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC';
        throw new G8Error(isFull ? 'ERR_CACHE_FULL' : 'ERR_IO', 'Cannot write', { cause: error });
      }
    }
  }

  async placeFiles(requests: readonly PlaceFileRequest[]): Promise<(number | Error)[]> {
    return await Promise.all(
      requests.map((request) => this.#placeFile(request).catch((error: Error) => error)),
    );
  }

  async #placeFile(request: PlaceFileRequest): Promise<number> {
    const { path, plainSize } = request;
    await this.decodeChunk(request);
    await fs.promises.mkdir(dirname(path), { recursive: true });
    // The addon's file has no name before this one; from here a folder beside `files` has to do.
    const unnamed = join(dirname(path), '../../../tmp', `${basename(path)}-${this.#placed++}`);
    await using file = await fs.promises.open(unnamed, 'wx', 0o444);
    try {
      await file.truncate(plainSize);
      await this.decodeToFile({ ...request, fd: file.fd, offset: 0 });
      await file.utimes(1, 1);
      await fs.promises.link(unnamed, path);
      return (await file.stat()).blocks * 512;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return -1;
      throw error;
    } finally {
      await fs.promises.unlink(unnamed);
    }
  }

  async verifyFile(request: VerifyFileRequest): Promise<Uint8Array> {
    const { fd, size, blockSize, plainDigests, blocks } = request;
    const count = Math.ceil(size / blockSize);
    const matches = new Uint8Array(Math.ceil(count / 8)).fill(0xff);
    for (let block = 0; block < count; block++) {
      const isAsked = blocks === undefined || ((blocks[block >> 3]! >> (block & 7)) & 1) === 1;
      if (!isAsked) continue;
      this.verifiedBlocks++;
      const length = Math.min(blockSize, size - block * blockSize);
      const bytes = new Uint8Array(length);
      const { bytesRead } = await read(fd, bytes, 0, length, block * blockSize);
      const row = plainDigests.subarray(block * 32, block * 32 + 32);
      const isHole = row.every((byte) => byte === 0);
      const isMatch =
        bytesRead === length &&
        (isHole ? bytes.every((byte) => byte === 0) : equalBytes(blake2b(bytes, 32), row));
      if (!isMatch) matches[block >> 3]! &= ~(1 << (block & 7));
    }
    return matches;
  }

  digestFile(): Promise<Uint8Array> {
    throw new Error('Not faked');
  }
  encodeChunk(_request: EncodeRequest): Promise<EncodedChunk> {
    throw new Error('Not faked');
  }
  zstdCompress(): Promise<never> {
    throw new Error('Not faked');
  }
  openStream(): never {
    throw new Error('Not faked');
  }
}

function corrupt(stage: string): G8Error {
  return new G8Error('ERR_CHUNK_CORRUPT', 'Chunk does not match', { details: { stage } });
}
