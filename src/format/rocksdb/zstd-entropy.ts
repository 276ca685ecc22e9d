/**
 * The two entropy codes of Zstandard: FSE tables and Huffman trees, and the bit streams that are read
 * backwards with them. Every table is complete and every stream is bounded, whatever the input says.
 * Pure.
 *
 * @see RFC 8878, sections 4.1 and 4.2
 */
import { G8Error } from '../../base/errors.ts';

export const HUFFMAN_BITS_MAX = 11;
const WEIGHT_ACCURACY_MAX = 6;
const WEIGHT_COUNT_MAX = 255;

export function corrupt(problem: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `Zstandard block ${problem}`);
}

/** A stream of bits that is read from its last byte to its first. */
export class BackwardBits {
  /** Bits that have not been read; negative when more were read than there are. */
  left: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    const last = bytes[bytes.length - 1] ?? 0;
    if (last === 0) throw corrupt('has a bit stream without its end mark');
    this.#bytes = bytes;
    // The highest set bit of the last byte marks the end and is no data.
    this.left = bytes.length * 8 - 8 + (31 - Math.clz32(last));
  }

  /** The next `count` bits, at most 31; bits before the beginning are zero. */
  read(count: number): number {
    if (count > 16) return this.read(count - 16) * 65536 + this.read(16);
    const value = this.peek(count);
    this.left -= count;
    return value;
  }

  /** The next `count` bits, at most 16, without consuming them. */
  peek(count: number): number {
    const at = this.left - count;
    if (at < 0) return this.left <= 0 ? 0 : (this.#word(0) & ((1 << this.left) - 1)) << -at;
    return (this.#word(at >> 3) >>> (at & 7)) & ((1 << count) - 1);
  }

  #word(at: number): number {
    const bytes = this.#bytes;
    return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  }
}

/** Decoding table of an FSE code: per state the symbol, and how the next state is read. */
export interface FseTable {
  readonly accuracy: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  readonly bases: Uint16Array;
}

/** Table that always yields one symbol and reads nothing. */
export function constantTable(symbol: number): FseTable {
  return {
    accuracy: 0,
    symbols: Uint8Array.of(symbol),
    bits: new Uint8Array(1),
    bases: new Uint16Array(1),
  };
}

/** Table for normalised counts that sum up to 2^accuracy, where -1 stands for less than one. */
export function buildTable(counts: readonly number[], accuracy: number): FseTable {
  const size = 1 << accuracy;
  const symbols = new Uint8Array(size);
  const next = counts.map((count) => Math.abs(count));
  let high = size;
  for (const [symbol, count] of counts.entries()) {
    if (count === -1) symbols[--high] = symbol;
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      symbols[at] = symbol;
      do {
        at = (at + step) & (size - 1);
      } while (at >= high && high > 0);
    }
  }
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] as number;
    const position = next[symbol] as number;
    next[symbol] = position + 1;
    bits[state] = accuracy - (31 - Math.clz32(position));
    bases[state] = (position << (bits[state] as number)) - size;
  }
  return { accuracy, symbols, bits, bases };
}

/** Reads a table's description; `size` is what it takes in bytes. */
export function readTable(
  bytes: Uint8Array,
  accuracyMax: number,
  symbolMax: number,
): { table: FseTable; size: number } {
  let position = 0;
  const peek = (count: number): number => {
    const at = position >> 3;
    const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return (word >>> (position & 7)) & ((1 << count) - 1);
  };
  const accuracy = peek(4) + 5;
  position += 4;
  if (accuracy > accuracyMax) throw corrupt('has a code table that is too large');
  const counts: number[] = [];
  // Cells that are left, and the power of two that decides how many bits the next count takes.
  let remaining = 1 << accuracy;
  while (remaining > 0) {
    const width = 32 - Math.clz32(remaining + 1);
    const threshold = 1 << (width - 1);
    const shortCount = 2 * threshold - 2 - remaining;
    let value = peek(width);
    if ((value & (threshold - 1)) < shortCount) {
      value &= threshold - 1;
      position += width - 1;
    } else {
      if (value >= threshold) value -= shortCount;
      position += width;
    }
    const count = value - 1;
    counts.push(count);
    remaining -= Math.abs(count);
    if (count === 0) {
      let zeros = 3;
      while (zeros === 3) {
        zeros = peek(2);
        position += 2;
        for (let i = 0; i < zeros; i++) counts.push(0);
        if (counts.length > symbolMax + 1) break;
      }
    }
    if (counts.length > symbolMax + 1) throw corrupt('has a code table with too many symbols');
  }
  const size = (position + 7) >> 3;
  if (remaining < 0 || size > bytes.length) throw corrupt('has a broken code table');
  return { table: buildTable(counts, accuracy), size };
}

/** Decoding table of a Huffman code: per prefix of `depth` bits the symbol and its real length. */
export interface HuffmanTable {
  readonly depth: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
}

/** Reads a tree's description; `size` is what it takes in bytes. */
export function readHuffman(bytes: Uint8Array): { table: HuffmanTable; size: number } {
  const header = bytes[0];
  if (header === undefined) throw corrupt('lacks a Huffman tree');
  const isDirect = header >= 128;
  const size = 1 + (isDirect ? (header - 126) >> 1 : header);
  if (size > bytes.length) throw corrupt('ends inside a Huffman tree');
  const description = bytes.subarray(1, size);
  const weights = isDirect
    ? Array.from({ length: header - 127 }, (_, i) => {
        const pair = description[i >> 1] as number;
        return i % 2 === 0 ? pair >> 4 : pair & 15;
      })
    : readWeights(description);
  return { table: buildHuffman(weights), size };
}

function readWeights(bytes: Uint8Array): number[] {
  const { table, size } = readTable(bytes, WEIGHT_ACCURACY_MAX, WEIGHT_COUNT_MAX);
  const stream = new BackwardBits(bytes.subarray(size));
  const states = [stream.read(table.accuracy), stream.read(table.accuracy)];
  if (stream.left < 0) throw corrupt('has a broken Huffman tree');
  const weights: number[] = [];
  // Two states take turns. When one cannot be renewed, the other still holds the last weight.
  for (let turn = 0; ; turn ^= 1) {
    const state = states[turn] as number;
    weights.push(table.symbols[state] as number);
    states[turn] = (table.bases[state] as number) + stream.read(table.bits[state] as number);
    if (stream.left < 0) {
      weights.push(table.symbols[states[turn ^ 1] as number] as number);
      break;
    }
    // A code that reads no bits would never end by itself.
    if (weights.length >= WEIGHT_COUNT_MAX) throw corrupt('has a Huffman tree that is too large');
  }
  return weights;
}

/** @param weights of all symbols but the last, whose weight completes the tree */
function buildHuffman(weights: number[]): HuffmanTable {
  if (weights.length > WEIGHT_COUNT_MAX) throw corrupt('has a Huffman tree that is too large');
  let sum = 0;
  for (const weight of weights) {
    if (weight > HUFFMAN_BITS_MAX) throw corrupt('has a Huffman code that is too long');
    sum += weight === 0 ? 0 : 1 << (weight - 1);
  }
  if (sum === 0) throw corrupt('has an empty Huffman tree');
  const depth = 32 - Math.clz32(sum);
  const rest = (1 << depth) - sum;
  if (depth > HUFFMAN_BITS_MAX || (rest & (rest - 1)) !== 0) {
    throw corrupt('has an incomplete Huffman tree');
  }
  const all = [...weights, 32 - Math.clz32(rest)];
  const symbols = new Uint8Array(1 << depth);
  const bits = new Uint8Array(1 << depth);
  let at = 0;
  for (let weight = 1; weight <= depth; weight++) {
    for (const [symbol, own] of all.entries()) {
      if (own !== weight) continue;
      const end = at + (1 << (weight - 1));
      symbols.fill(symbol, at, end);
      bits.fill(depth + 1 - weight, at, end);
      at = end;
    }
  }
  return { depth, symbols, bits };
}

/** Decodes one Huffman stream, which must fill `output` exactly. */
export function decodeHuffman(bytes: Uint8Array, table: HuffmanTable, output: Uint8Array): void {
  const stream = new BackwardBits(bytes);
  for (let i = 0; i < output.length; i++) {
    const prefix = stream.peek(table.depth);
    output[i] = table.symbols[prefix] as number;
    stream.left -= table.bits[prefix] as number;
    if (stream.left < 0) throw corrupt('ends inside its literals');
  }
  if (stream.left !== 0) throw corrupt('has literals left over');
}
