/**
 * Decoder of raw LZ4 blocks (no frame): sequences of literals and a match. The plain size is known
 * from outside and must be met exactly. Pure; for hostile input.
 */
import { G8Error } from '../../base/errors.ts';

const MATCH_SIZE_MIN = 4;
// A length byte of 255 is the densest input.
const EXPANSION_MAX = 256;

function corrupt(problem: string, offset: number): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `LZ4 block ${problem} at offset ${offset}`, {
    details: { offset },
  });
}

/**
 * Decodes one raw LZ4 block of exactly `size` plain bytes.
 *
 * @throws ERR_FLIST_FORMAT when the block is malformed or of another size
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 */
export function decodeLz4(input: Uint8Array, size: number): Uint8Array {
  if (size > input.length * EXPANSION_MAX) throw corrupt(`states a size of ${size} bytes`, 0);
  const output = new Uint8Array(size);
  let from = 0;
  let to = 0;

  const extend = (length: number): number => {
    if (length !== 15) return length;
    let total = length;
    for (;;) {
      const byte = input[from++];
      if (byte === undefined) throw corrupt('ends inside a length', from);
      total += byte;
      if (byte !== 255) return total;
    }
  };

  while (from < input.length) {
    const token = input[from++] as number;
    const literals = extend(token >>> 4);
    if (literals > input.length - from || literals > size - to) {
      throw corrupt('has literals beyond its end', from);
    }
    output.set(input.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence has literals only.
    if (from === input.length) break;
    if (from + 2 > input.length) throw corrupt('ends inside an offset', from);
    const distance = (input[from] as number) | ((input[from + 1] as number) << 8);
    from += 2;
    if (distance === 0 || distance > to) throw corrupt('copies from before its beginning', from);
    const length = extend(token & 15) + MATCH_SIZE_MIN;
    if (length > size - to) throw corrupt('has a match beyond its end', from);
    for (const end = to + length; to < end; to++) output[to] = output[to - distance] as number;
  }
  if (to !== size) throw corrupt(`decodes to ${to} of ${size} bytes`, from);
  return output;
}
