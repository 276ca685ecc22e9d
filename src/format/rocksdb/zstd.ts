/**
 * Decoder of one Zstandard frame without dictionary, for table blocks. The plain size is known from
 * outside and must be met exactly; time and memory are proportional to it, whatever the input says.
 * Pure.
 *
 * @see RFC 8878
 */
import { readFixed32 } from './input.ts';
import { xxh64 } from './xxhash.ts';
import {
  BackwardBits,
  buildTable,
  constantTable,
  corrupt,
  decodeHuffman,
  type FseTable,
  type HuffmanTable,
  readHuffman,
  readTable,
} from './zstd-entropy.ts';

const MAGIC = 0xfd2fb528;
/** A block has at most this many plain bytes. */
const BLOCK_SIZE_MAX = 128 * 1024;

const BLOCK = { raw: 0, repeated: 1, compressed: 2 } as const;
const LITERALS = { raw: 0, repeated: 1, compressed: 2 } as const;
const MODE = { predefined: 0, constant: 1, described: 2 } as const;

/** A kind of number in a sequence: its codes' baselines and extra bits, and its default table. */
interface SequenceCode {
  readonly bases: readonly number[];
  readonly extraBits: readonly number[];
  readonly accuracyMax: number;
  readonly standard: FseTable;
}

function sequenceCode(
  first: number,
  extraBits: readonly number[],
  accuracyMax: number,
  standard: FseTable,
): SequenceCode {
  const bases: number[] = [];
  let base = first;
  for (const bits of extraBits) {
    bases.push(base);
    base += 2 ** bits;
  }
  return { bases, extraBits, accuracyMax, standard };
}

function repeat(count: number, value: number): number[] {
  return new Array<number>(count).fill(value);
}

const LITERAL_LENGTH = /* @__PURE__ */ sequenceCode(
  0,
  [...repeat(16, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  9,
  buildTable(
    [4, 3, ...repeat(11, 2), 1, 1, 1, ...repeat(9, 2), 3, 2, ...repeat(5, 1), ...repeat(4, -1)],
    6,
  ),
);
const MATCH_LENGTH = /* @__PURE__ */ sequenceCode(
  3,
  [...repeat(32, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  9,
  buildTable([1, 4, 3, ...repeat(6, 2), ...repeat(37, 1), ...repeat(7, -1)], 6),
);
const OFFSET = /* @__PURE__ */ sequenceCode(
  1,
  Array.from({ length: 32 }, (_, code) => code),
  8,
  buildTable([...repeat(6, 1), 2, 2, 2, ...repeat(15, 1), ...repeat(5, -1)], 5),
);

/**
 * Decodes one frame of exactly `size` plain bytes. The caller has bounded `size`.
 *
 * @throws ERR_FLIST_FORMAT when the frame is malformed, of another size or needs a dictionary
 */
export function decodeZstd(input: Uint8Array, size: number): Uint8Array {
  return new Frame(input, size).decode();
}

class Frame {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  #from = 0;
  #to = 0;
  #huffman: HuffmanTable | undefined;
  #tables: (FseTable | undefined)[] = [];
  #recentOffsets: [number, number, number] = [1, 4, 8];

  constructor(input: Uint8Array, size: number) {
    this.#input = input;
    this.#output = new Uint8Array(size);
  }

  decode(): Uint8Array {
    const hasChecksum = this.#readHeader();
    let isLast = false;
    while (!isLast) {
      const header = this.#number(3);
      isLast = (header & 1) === 1;
      this.#readBlock((header >> 1) & 3, header >> 3);
    }
    if (this.#to !== this.#output.length) throw corrupt('is shorter than stated');
    if (hasChecksum) {
      const expected = readFixed32(this.#take(4), 0);
      if (Number(xxh64(this.#output) & 0xffffffffn) !== expected) {
        throw corrupt('has a wrong checksum');
      }
    }
    if (this.#from !== this.#input.length) throw corrupt('goes on behind its end');
    return this.#output;
  }

  #take(size: number): Uint8Array {
    const end = this.#from + size;
    if (end > this.#input.length) throw corrupt('ends too early');
    const bytes = this.#input.subarray(this.#from, end);
    this.#from = end;
    return bytes;
  }

  #number(size: number): number {
    return this.#take(size).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  #readHeader(): boolean {
    if (this.#number(4) !== MAGIC) throw corrupt('has no frame');
    const descriptor = this.#number(1);
    if ((descriptor & 8) !== 0) throw corrupt('uses a reserved bit');
    if ((descriptor & 3) !== 0) throw corrupt('needs a dictionary');
    const isSingleSegment = (descriptor & 32) !== 0;
    // The window only matters to those who decode in pieces.
    if (!isSingleSegment) this.#take(1);
    const flag = descriptor >> 6;
    if (flag !== 0 || isSingleSegment) {
      const size = this.#number(1 << flag) + (flag === 1 ? 256 : 0);
      if (size !== this.#output.length) throw corrupt('states another size than its block');
    }
    return (descriptor & 4) !== 0;
  }

  #readBlock(type: number, size: number): void {
    if (size > BLOCK_SIZE_MAX) throw corrupt('has an oversized block');
    switch (type) {
      case BLOCK.raw:
        this.#append(this.#take(size));
        return;
      case BLOCK.repeated:
        this.#append(new Uint8Array(size).fill(this.#number(1)));
        return;
      case BLOCK.compressed:
        this.#readCompressed(this.#take(size));
        return;
      default:
        throw corrupt('has a block of a reserved type');
    }
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length > this.#output.length - this.#to) throw corrupt('is longer than stated');
    this.#output.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  #readCompressed(block: Uint8Array): void {
    const blockStart = this.#to;
    const { literals, size } = this.#readLiterals(block);
    const rest = block.subarray(size);
    let at = 1;
    let count = rest[0];
    if (count === undefined) throw corrupt('ends before its sequences');
    if (count === 255) {
      count = (rest[1] ?? 0) + (rest[2] ?? 0) * 256 + 0x7f00;
      at = 3;
    } else if (count >= 128) {
      count = (count - 128) * 256 + (rest[1] ?? 0);
      at = 2;
    }
    let used = 0;
    if (count > 0) used = this.#readSequences(rest.subarray(at), count, literals, blockStart);
    else if (rest.length !== at) throw corrupt('has bytes behind its literals');
    this.#append(literals.subarray(used));
    if (this.#to - blockStart > BLOCK_SIZE_MAX) throw corrupt('has an oversized block');
  }

  /** The literals section, and its size in bytes. */
  #readLiterals(block: Uint8Array): { literals: Uint8Array; size: number } {
    const byte = (at: number): number => {
      const value = block[at];
      if (value === undefined) throw corrupt('ends inside its literals');
      return value;
    };
    const type = byte(0) & 3;
    const sizeFormat = (byte(0) >> 2) & 3;
    if (type === LITERALS.raw || type === LITERALS.repeated) {
      const headerSize = sizeFormat === 3 ? 3 : sizeFormat === 1 ? 2 : 1;
      let count = headerSize === 1 ? byte(0) >> 3 : byte(0) >> 4;
      if (headerSize > 1) count += byte(1) << 4;
      if (headerSize > 2) count += byte(2) << 12;
      if (count > BLOCK_SIZE_MAX) throw corrupt('has too many literals');
      if (type === LITERALS.repeated) {
        const literals = new Uint8Array(count).fill(byte(headerSize));
        return { literals, size: headerSize + 1 };
      }
      const size = headerSize + count;
      if (size > block.length) throw corrupt('ends inside its literals');
      return { literals: block.subarray(headerSize, size), size };
    }
    const fieldBits = sizeFormat < 2 ? 10 : 10 + 4 * (sizeFormat - 1);
    const headerSize = (4 + 2 * fieldBits) / 8;
    let header = 0;
    for (let i = headerSize - 1; i >= 0; i--) header = header * 256 + byte(i);
    const field = 2 ** fieldBits;
    const count = Math.floor(header / 16) % field;
    const size = headerSize + Math.floor(header / 16 / field);
    if (size > block.length) throw corrupt('ends inside its literals');
    if (count > BLOCK_SIZE_MAX) throw corrupt('has too many literals');
    let streams = block.subarray(headerSize, size);
    if (type === LITERALS.compressed) {
      const tree = readHuffman(streams);
      this.#huffman = tree.table;
      streams = streams.subarray(tree.size);
    }
    if (this.#huffman === undefined) throw corrupt('reuses a Huffman tree that there is not');
    const literals = new Uint8Array(count);
    if (sizeFormat === 0) decodeHuffman(streams, this.#huffman, literals);
    else decodeFourStreams(streams, this.#huffman, literals);
    return { literals, size };
  }

  /** Executes sequences; returns how many literals they used. */
  #readSequences(
    section: Uint8Array,
    count: number,
    literals: Uint8Array,
    blockStart: number,
  ): number {
    const modes = section[0] ?? 0;
    if ((modes & 3) !== 0) throw corrupt('uses a reserved bit');
    let at = 1;
    const readCode = (index: number, code: SequenceCode): FseTable => {
      const mode = (modes >> (6 - 2 * index)) & 3;
      let table = this.#tables[index];
      if (mode === MODE.predefined) {
        table = code.standard;
      } else if (mode === MODE.constant) {
        table = constantTable(section[at++] ?? 255);
      } else if (mode === MODE.described) {
        const read = readTable(section.subarray(at), code.accuracyMax, code.bases.length - 1);
        table = read.table;
        at += read.size;
      }
      if (table === undefined) throw corrupt('reuses a code table that there is not');
      if ((table.symbols[0] as number) >= code.bases.length) throw corrupt('has an unknown code');
      this.#tables[index] = table;
      return table;
    };
    const literalTable = readCode(0, LITERAL_LENGTH);
    const offsetTable = readCode(1, OFFSET);
    const matchTable = readCode(2, MATCH_LENGTH);

    const bits = new BackwardBits(section.subarray(at));
    let literalState = bits.read(literalTable.accuracy);
    let offsetState = bits.read(offsetTable.accuracy);
    let matchState = bits.read(matchTable.accuracy);
    let used = 0;
    for (let left = count; left > 0; left--) {
      const offsetValue = readNumber(bits, OFFSET, offsetTable, offsetState);
      const matchLength = readNumber(bits, MATCH_LENGTH, matchTable, matchState);
      const literalLength = readNumber(bits, LITERAL_LENGTH, literalTable, literalState);
      if (left > 1) {
        literalState = nextState(bits, literalTable, literalState);
        matchState = nextState(bits, matchTable, matchState);
        offsetState = nextState(bits, offsetTable, offsetState);
      }
      // Checked for every sequence, so that a short stream cannot stand for much work.
      if (bits.left < 0) throw corrupt('ends inside its sequences');
      if (used + literalLength > literals.length) throw corrupt('uses more literals than it has');
      this.#append(literals.subarray(used, used + literalLength));
      used += literalLength;
      this.#copy(this.#resolveOffset(offsetValue, literalLength), matchLength);
      if (this.#to - blockStart > BLOCK_SIZE_MAX) throw corrupt('has an oversized block');
    }
    if (bits.left !== 0) throw corrupt('has sequences left over');
    return used;
  }

  /** Values 1 to 3 mean recent offsets, shifted by one when there are no literals between. */
  #resolveOffset(value: number, literalLength: number): number {
    const [first, second, third] = this.#recentOffsets;
    if (value > 3) {
      this.#recentOffsets = [value - 3, first, second];
      return value - 3;
    }
    const choice = value + (literalLength === 0 ? 1 : 0);
    if (choice === 1) return first;
    const offset = choice === 2 ? second : choice === 3 ? third : first - 1;
    this.#recentOffsets = choice === 2 ? [offset, first, third] : [offset, first, second];
    return offset;
  }

  #copy(offset: number, length: number): void {
    const output = this.#output;
    if (offset < 1 || offset > this.#to) throw corrupt('copies from before its beginning');
    if (length > output.length - this.#to) throw corrupt('is longer than stated');
    // A copy may overlap what it writes: that repeats a pattern.
    const end = this.#to + length;
    for (let to = this.#to; to < end; to++) output[to] = output[to - offset] as number;
    this.#to = end;
  }
}

function readNumber(
  bits: BackwardBits,
  code: SequenceCode,
  table: FseTable,
  state: number,
): number {
  const symbol = table.symbols[state] as number;
  return (code.bases[symbol] as number) + bits.read(code.extraBits[symbol] as number);
}

function nextState(bits: BackwardBits, table: FseTable, state: number): number {
  return (table.bases[state] as number) + bits.read(table.bits[state] as number);
}

/** Four streams of a quarter each, with the sizes of the first three in front. */
function decodeFourStreams(bytes: Uint8Array, table: HuffmanTable, output: Uint8Array): void {
  const quarter = Math.ceil(output.length / 4);
  if (bytes.length < 6 || 3 * quarter > output.length) throw corrupt('has broken literals');
  let from = 6;
  for (let stream = 0; stream < 4; stream++) {
    const size = (bytes[2 * stream] as number) | ((bytes[2 * stream + 1] as number) << 8);
    const end = stream === 3 ? bytes.length : from + size;
    if (end > bytes.length) throw corrupt('ends inside its literals');
    const part = output.subarray(
      stream * quarter,
      stream === 3 ? undefined : (stream + 1) * quarter,
    );
    decodeHuffman(bytes.subarray(from, end), table, part);
    from = end;
  }
}
