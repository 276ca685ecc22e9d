/**
 * Writes tar archives of plain files that are the same on every machine: owner 0:0, mode 0644, time 0.
 * Streams: holds no more than one chunk of a member.
 *
 * @see POSIX pax(1), ustar interchange format
 */
import { G8Error } from '../../base/errors.ts';

/** A member to be written. `data` is asked for once and gives exactly `size` bytes. */
export interface PackageMember {
  readonly name: string;
  readonly size: number;
  readonly data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

const BLOCK_SIZE = 512;
const NAME_SIZE_MAX = 100;
/** Eleven octal digits. */
const SIZE_MAX = 8 ** 11 - 1;

/**
 * The archive with all members in the order given, and its end marker.
 *
 * @throws RangeError when a member's name or size does not fit a header, ERR_CREATE when a member
 *   gives another number of bytes than it announced
 */
export async function* writeTar(members: readonly PackageMember[]): AsyncGenerator<Uint8Array> {
  for (const { name, size, data } of members) {
    yield tarHeader(name, size);
    let written = 0;
    for await (const chunk of data) {
      written += chunk.length;
      if (written > size) break;
      if (chunk.length > 0) yield chunk;
    }
    if (written !== size) {
      throw new G8Error('ERR_CREATE', `Package member ${name} changed its size while it was read`);
    }
    const padding = -size & (BLOCK_SIZE - 1);
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * BLOCK_SIZE);
}

function tarHeader(name: string, size: number): Uint8Array {
  const header = Buffer.alloc(BLOCK_SIZE);
  const nameBytes = Buffer.from(name);
  if (nameBytes.length === 0 || nameBytes.length > NAME_SIZE_MAX || /[/\0]/.test(name)) {
    throw new RangeError(`Package member cannot be named ${JSON.stringify(name)}`);
  }
  if (!Number.isSafeInteger(size) || size < 0 || size > SIZE_MAX) {
    throw new RangeError(`Package member ${name} cannot have ${size} bytes`);
  }
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  nameBytes.copy(header);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(0, 11), 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  header.write(octal(0, 7), 329);
  header.write(octal(0, 7), 337);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)} `, 148);
  return header;
}
