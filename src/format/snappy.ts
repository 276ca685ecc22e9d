/**
 * Decoder of raw Snappy blocks (no framing): a varint32 length, then literals and copies. Written for
 * hostile input: output never exceeds the stated length, and the stated length is checked before
 * anything is allocated. Pure.
 */
import { G8Error } from '../base/errors.ts';

// The densest element is a copy of 64 bytes in 3; beyond that a stated length is a lie.
const EXPANSION_MAX = 22;

// A view costs more than copying this many bytes one by one.
const LOOP_SIZE_MAX = 48;

function corrupt(problem: string, offset: number): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `Snappy block ${problem} at offset ${offset}`, {
    details: { offset },
  });
}

/**
 * Decodes one raw Snappy block.
 *
 * @param sizeMax largest plain size that is accepted, in bytes
 * @throws ERR_FLIST_FORMAT when the block is malformed or states a larger size than `sizeMax`
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export function decodeSnappy(input: Uint8Array, sizeMax: number): Uint8Array {
  const [size, start] = readSize(input);
  if (size > sizeMax || size > input.length * EXPANSION_MAX) {
    throw corrupt(`states a size of ${size} bytes`, 0);
  }
  const output = new Uint8Array(size);
  let from = start;
  let to = 0;
  while (from < input.length) {
    const at = from;
    const tag = input[from++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const extra = length - 60;
        if (from + extra > input.length) throw corrupt('ends inside a literal', at);
        length = 1;
        for (let i = 0; i < extra; i++) length += (input[from++] as number) * 2 ** (8 * i);
      }
      if (length > input.length - from || length > size - to) {
        throw corrupt('has a literal beyond its end', at);
      }
      if (length > LOOP_SIZE_MAX) output.set(input.subarray(from, from + length), to);
      else for (let i = 0; i < length; i++) output[to + i] = input[from + i] as number;
      from += length;
      to += length;
      continue;
    }
    const operandSize = kind === 3 ? 4 : kind;
    if (from + operandSize > input.length) throw corrupt('ends inside a copy', at);
    let distance = input[from] as number;
    let length = (tag >>> 2) + 1;
    if (kind === 1) {
      distance += (tag >>> 5) * 256;
      length = ((tag >>> 2) & 7) + 4;
    } else {
      for (let i = 1; i < operandSize; i++) distance += (input[from + i] as number) * 2 ** (8 * i);
    }
    from += operandSize;
    if (distance === 0 || distance > to) throw corrupt('copies from before its beginning', at);
    if (length > size - to) throw corrupt('has a copy beyond its end', at);
    // A copy may overlap what it writes: that repeats a pattern.
    for (const end = to + length; to < end; to++) output[to] = output[to - distance] as number;
  }
  if (to !== size) throw corrupt(`decodes to ${to} of ${size} bytes`, input.length);
  return output;
}

function readSize(input: Uint8Array): [size: number, next: number] {
  let size = 0;
  for (let i = 0; i < 5; i++) {
    const byte = input[i];
    if (byte === undefined) break;
    size += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 128) return [size, i + 1];
  }
  throw corrupt('has no size', 0);
}
