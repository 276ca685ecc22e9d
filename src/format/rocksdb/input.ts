/**
 * Bounded cursor over hostile bytes: RocksDB's fixed and variable length integers and length-prefixed
 * strings. Every read is checked; a failed one is `ERR_FLIST_FORMAT` with file and offset. Slices are
 * views, not copies.
 */
import { G8Error } from '../../base/errors.ts';

const VARINT32_SIZE_MAX = 5;
const VARINT64_SIZE_MAX = 10;

/** `ERR_FLIST_FORMAT` that says where: `offset` counts from the beginning of the file. */
export function formatError(file: string, offset: number, problem: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `RocksDB file ${file} ${problem} at offset ${offset}`, {
    details: { file, offset },
  });
}

/** `ERR_FLIST_VERSION` for what the format has and this reader does not support. */
export function versionError(file: string, offset: number, feature: string): G8Error {
  return new G8Error(
    'ERR_FLIST_VERSION',
    `RocksDB file ${file} uses ${feature} at offset ${offset}, which is not supported`,
    { details: { file, offset } },
  );
}

export class Input {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Where `bytes` begin in the file; that of the stored block when they were decompressed. */
  readonly base: number;
  position = 0;
  readonly #end: number;

  constructor(file: string, bytes: Uint8Array, base = 0, end = bytes.length) {
    this.file = file;
    this.bytes = bytes;
    this.base = base;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.position;
  }

  /** Offset in the file, for messages. */
  get offset(): number {
    return this.base + this.position;
  }

  fail(problem: string): G8Error {
    return formatError(this.file, this.offset, problem);
  }

  unsupported(feature: string): G8Error {
    return versionError(this.file, this.offset, feature);
  }

  byte(): number {
    if (this.position >= this.#end) throw this.fail('ends too early');
    return this.bytes[this.position++] as number;
  }

  take(size: number): Uint8Array {
    if (size > this.remaining) throw this.fail('ends too early');
    const slice = this.bytes.subarray(this.position, this.position + size);
    this.position += size;
    return slice;
  }

  fixed32(): number {
    if (this.remaining < 4) throw this.fail('ends too early');
    const value = readFixed32(this.bytes, this.position);
    this.position += 4;
    return value;
  }

  /** At most 2^53 - 1. */
  fixed64(): number {
    const low = this.fixed32();
    return this.#safe(this.fixed32() * 2 ** 32 + low);
  }

  varint32(): number {
    // Nearly every number in a table is below 128.
    if (this.position < this.#end) {
      const first = this.bytes[this.position] as number;
      if (first < 128) {
        this.position++;
        return first;
      }
    }
    const value = this.#varint(VARINT32_SIZE_MAX);
    if (value > 0xffffffff) throw this.fail('has a number of more than 32 bits');
    return value;
  }

  /** At most 2^53 - 1: no honest size, offset, file or sequence number is larger. */
  varint64(): number {
    return this.#safe(this.#varint(VARINT64_SIZE_MAX));
  }

  /** Zigzag-coded signed number. */
  signed64(): number {
    const value = this.varint64();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Bytes behind their varint32 length. */
  slice(): Uint8Array {
    return this.take(this.varint32());
  }

  #varint(sizeMax: number): number {
    let value = 0;
    let scale = 1;
    for (let size = 0; size < sizeMax; size++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw this.fail('has a number without end');
  }

  #safe(value: number): number {
    if (!Number.isSafeInteger(value)) throw this.fail('has a number above 2^53 - 1');
    return value;
  }
}

/** Little endian; the caller has checked that four bytes are there. */
export function readFixed32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
