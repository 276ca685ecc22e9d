/**
 * Random access to a file of a mount index, and the checks that every read goes through. Nothing
 * here caches: a source that reads from disk keeps its own pages. Synchronous.
 */
import { G8Error } from '../../base/errors.ts';

/** Bytes that can be read at any offset. */
export interface ByteSource {
  /** In bytes; does not change. */
  readonly size: number;
  /**
   * The bytes of the half-open range [offset, offset + length), which lies within the size. The
   * caller does not change them, and uses them only until its next read.
   */
  read(offset: number, length: number): Uint8Array;
}

/** Source over bytes in memory. */
export function bufferSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** A source with the name of its file: refuses every range outside of it. */
export class IndexFile {
  readonly size: number;
  readonly #name: string;
  readonly #source: ByteSource;

  constructor(name: string, source: ByteSource) {
    this.#name = name;
    this.#source = source;
    this.size = source.size;
  }

  /** @throws ERR_FLIST_FORMAT when the range is not within the file */
  read(offset: number, length: number): Uint8Array {
    const bytes = this.#read(offset, length);
    // A Buffer would hand out views where `slice` of a plain array copies.
    if (bytes.constructor === Uint8Array) return bytes;
    return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
  }

  /** View of a range; same rules as {@link read}. */
  view(offset: number, length: number): DataView {
    const bytes = this.#read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  #read(offset: number, length: number): Uint8Array {
    const isInside = Number.isSafeInteger(offset) && offset >= 0 && length <= this.size - offset;
    if (!isInside) throw this.fail(offset, 'a range exceeds the file');
    const bytes = this.#source.read(offset, length);
    if (bytes.length !== length) throw this.fail(offset, 'the file is shorter than its size');
    return bytes;
  }

  /** Error for a malformed file. */
  fail(offset: number, reason: string): G8Error {
    return new G8Error('ERR_FLIST_FORMAT', `${this.#name} is malformed at ${offset}: ${reason}`, {
      details: { file: this.#name, offset },
    });
  }

  /** Error for a file of a later version. */
  failVersion(version: number): G8Error {
    return new G8Error('ERR_FLIST_VERSION', `${this.#name} has the unknown version ${version}`, {
      details: { file: this.#name, version },
    });
  }
}

/** Reads 8 bytes, little endian; `undefined` above 2^53 - 1. */
export function getUint64(view: DataView, offset: number): number | undefined {
  const value = view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
  return Number.isSafeInteger(value) ? value : undefined;
}
