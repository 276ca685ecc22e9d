/**
 * Encodes one ustar header of 512 bytes; the twin of `header.ts`. What does not fit a field goes into an
 * extended header, which is `write-pax.ts`'s. Pure.
 *
 * @see POSIX pax(1), ustar interchange format
 */
import { TAR_BLOCK_SIZE } from './header.ts';

/** Bytes of a name or link target in a header. */
export const HEADER_NAME_SIZE_MAX = 100;
/** Eleven octal digits. */
export const HEADER_SIZE_MAX = 8 ** 11 - 1;
/** Seven octal digits. */
export const HEADER_ID_MAX = 8 ** 7 - 1;

const END_BLOCKS = 2;

export interface HeaderFields {
  /** One character: `0` file, `5` directory, `x` extended header, … */
  readonly typeflag: string;
  readonly name: Uint8Array;
  readonly linkName?: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  /** Whole seconds from 1970 on. */
  readonly mtime?: number;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
}

/** @throws RangeError when a value does not fit its field */
export function encodeTarHeader(fields: HeaderFields): Uint8Array {
  const header = Buffer.alloc(TAR_BLOCK_SIZE);
  const octal = (value: number, offset: number, digits: number): void => {
    if (!Number.isInteger(value) || value < 0 || value >= 8 ** digits) {
      throw new RangeError(`${value} does not fit ${digits} octal digits of a tar header`);
    }
    header.write(value.toString(8).padStart(digits, '0'), offset, 'latin1');
  };
  const bytes = (value: Uint8Array, offset: number): void => {
    if (value.length > HEADER_NAME_SIZE_MAX || value.includes(0)) {
      throw new RangeError(`A name of ${value.length} bytes does not fit a tar header`);
    }
    header.set(value, offset);
  };
  bytes(fields.name, 0);
  octal(fields.mode, 100, 7);
  octal(fields.uid ?? 0, 108, 7);
  octal(fields.gid ?? 0, 116, 7);
  octal(fields.size ?? 0, 124, 11);
  octal(fields.mtime ?? 0, 136, 11);
  header.write(fields.typeflag, 156, 'latin1');
  bytes(fields.linkName ?? new Uint8Array(0), 157);
  header.write('ustar\x0000', 257, 'latin1');
  octal(fields.rdevMajor ?? 0, 329, 7);
  octal(fields.rdevMinor ?? 0, 337, 7);
  // The sum counts its own field as blanks.
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Zeros that fill data of this size to whole blocks; empty when there is nothing to fill. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((TAR_BLOCK_SIZE - (size % TAR_BLOCK_SIZE)) % TAR_BLOCK_SIZE);
}

/** What an archive ends with. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(END_BLOCKS * TAR_BLOCK_SIZE);
}
