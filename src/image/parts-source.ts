/**
 * The members of a package that can be read in the middle, read a part at a time: looking at one path of a
 * large flist takes a few parts. Parts that are not here yet are named by {@link PartMissing}. For one
 * reader at a time.
 */
import { G8Error } from '../base/errors.ts';
import { type PartsTable, unpackPart } from '../format/flist/parts.ts';
import type { ByteSource } from '../format/index/source.ts';
import { decodeTarHeader, isZeroBlock, TAR_BLOCK_SIZE } from '../format/tar/header.ts';

/** 8 MiB of the smallest parts: folders and tables of a path, and a large folder that is listed. */
const PLAIN_PARTS_MAX = 64;
/** The mount index, router and settings are five. */
const MEMBERS_MAX = 8;

/** Where packed parts are. */
export interface PackedParts {
  readonly table: PartsTable;
  /** Bytes of a part, `undefined` when it has to be fetched first. */
  read(part: number): Uint8Array | undefined;
}

/** Thrown out of a read; the work is done again when the part is here. */
export class PartMissing extends Error {
  readonly part: number;

  constructor(part: number) {
    super(`Part ${part} is not here`);
    this.part = part;
  }
}

interface Place {
  readonly offset: number;
  readonly size: number;
}

export class PartsReader {
  readonly #parts: PackedParts;
  // In order of last use.
  readonly #plain = new Map<number, Uint8Array>();
  #last = -1;
  #lastPlain = new Uint8Array(0) as Uint8Array;

  constructor(parts: PackedParts) {
    this.#parts = parts;
  }

  /**
   * Where the members are that stand before the records.
   *
   * @throws ERR_FLIST_FORMAT, PartMissing
   */
  members(wanted: readonly string[]): Map<string, Place> {
    const found = new Map<string, Place>();
    let offset = 0;
    for (let i = 0; i < MEMBERS_MAX; i++) {
      const block = this.read(offset, TAR_BLOCK_SIZE);
      if (isZeroBlock(block)) break;
      const { name, size, typeflag } = decodeTarHeader(block, offset);
      const text = Buffer.from(name).toString('latin1');
      if (!wanted.includes(text) || typeflag !== '0' || found.has(text)) break;
      found.set(text, { offset: offset + TAR_BLOCK_SIZE, size });
      offset += TAR_BLOCK_SIZE + Math.ceil(size / TAR_BLOCK_SIZE) * TAR_BLOCK_SIZE;
    }
    return found;
  }

  source({ offset: start, size }: Place): ByteSource {
    return { size, read: (offset, length) => this.read(start + offset, length) };
  }

  /** @throws ERR_FLIST_FORMAT, PartMissing */
  read(offset: number, length: number): Uint8Array {
    const { partSize, size } = this.#parts.table;
    if (offset + length > size) {
      throw new G8Error('ERR_FLIST_FORMAT', 'Flist package is shorter than it says');
    }
    const first = Math.floor(offset / partSize);
    const within = offset - first * partSize;
    if (within + length <= partSize) return this.#part(first).subarray(within, within + length);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const number = Math.floor(at / partSize);
      const from = at - number * partSize;
      const piece = this.#part(number).subarray(from, from + length - done);
      bytes.set(piece, done);
      done += piece.length;
    }
    return bytes;
  }

  #part(number: number): Uint8Array {
    if (number === this.#last) return this.#lastPlain;
    let plain = this.#plain.get(number);
    if (plain !== undefined) this.#plain.delete(number);
    else {
      const packed = this.#parts.read(number);
      if (packed === undefined) throw new PartMissing(number);
      plain = unpackPart(this.#parts.table, number, packed);
    }
    this.#plain.set(number, plain);
    if (this.#plain.size > PLAIN_PARTS_MAX) {
      const [oldest] = this.#plain.keys();
      this.#plain.delete(oldest as number);
    }
    this.#last = number;
    this.#lastPlain = plain;
    return plain;
  }
}
