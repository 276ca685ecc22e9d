/**
 * One 512-byte header of a tar archive: V7, ustar, PAX, GNU and star lay it out alike up to the name of
 * the link, and differ behind it. Decodes fields, knows nothing of other headers. Pure.
 *
 * @see POSIX pax(1), ustar interchange format; tar(5)
 */
import { malformedTar } from './malformed.ts';

export const TAR_BLOCK_SIZE = 512;

const CHECKSUM_OFFSET = 148;
const CHECKSUM_SIZE = 8;
const BLANK = 0x20;
const SEVEN = 0x37;
const ZERO = 0x30;

const MAGIC_USTAR = Buffer.from('ustar\0');
const MAGIC_GNU = Buffer.from('ustar  \0');
const MAGIC_STAR = Buffer.from('tar\0');
const STAR_OFFSET = 508;
/** star keeps times behind a shorter prefix. */
const STAR_PREFIX_SIZE = 131;
const PREFIX_SIZE = 155;
const PREFIX_OFFSET = 345;

export interface TarHeader {
  readonly typeflag: string;
  /** With the prefix of ustar in front. */
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

/** Whether a block is nothing but zeros: the end of an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < TAR_BLOCK_SIZE; i++) if (block[i] !== 0) return false;
  return true;
}

/**
 * Decodes a header after checking its sum.
 *
 * @param block 512 bytes
 * @param offset of the block in the archive, for messages
 * @throws ERR_FLIST_FORMAT
 */
export function decodeTarHeader(block: Uint8Array, offset: number): TarHeader {
  checkSum(block, offset);
  const number = (at: number, size: number, field: string): number =>
    decodeTarNumber(block.subarray(at, at + size), offset, field);
  const hasMagic = (magic: Uint8Array, at: number): boolean =>
    magic.every((byte, i) => block[at + i] === byte);
  const isGnu = hasMagic(MAGIC_GNU, 257);
  const isUstar = hasMagic(MAGIC_USTAR, 257);
  const prefixSize = hasMagic(MAGIC_STAR, STAR_OFFSET) ? STAR_PREFIX_SIZE : PREFIX_SIZE;
  const prefix = isUstar ? text(block, PREFIX_OFFSET, prefixSize) : new Uint8Array(0);
  const name = text(block, 0, 100);
  // V7 has nothing behind the name of the link; some writers leave what was there.
  const hasDevices = isGnu || isUstar;
  return {
    typeflag: String.fromCharCode(block[156] as number),
    name: prefix.length === 0 ? name : joined(prefix, name),
    linkName: text(block, 157, 100),
    mode: number(100, 8, 'mode'),
    uid: number(108, 8, 'owner'),
    gid: number(116, 8, 'group'),
    size: number(124, 12, 'size'),
    mtime: number(136, 12, 'time'),
    rdevMajor: hasDevices ? number(329, 8, 'device number') : 0,
    rdevMinor: hasDevices ? number(337, 8, 'device number') : 0,
  };
}

/**
 * A number in octal digits, or, with the top bit set, in base 256 with two's complement.
 *
 * @returns an integer of at most 53 bits, negative ones only from base 256; 0 for an empty field
 * @throws ERR_FLIST_FORMAT
 */
export function decodeTarNumber(field: Uint8Array, offset: number, title: string): number {
  const first = field[0] as number;
  if ((first & 0x80) !== 0) return decodeBase256(field, offset, title);
  let at = 0;
  let end = field.length;
  while (at < end && isBlank(field[at] as number)) at++;
  while (end > at && isBlank(field[end - 1] as number)) end--;
  let value = 0;
  for (; at < end; at++) {
    const byte = field[at] as number;
    // What stands behind the first NUL is not part of the number.
    if (byte === 0) break;
    if (byte < ZERO || byte > SEVEN) {
      throw malformedTar(offset, `the ${title} is no octal number`);
    }
    value = value * 8 + (byte - ZERO);
  }
  return value;
}

function decodeBase256(field: Uint8Array, offset: number, title: string): number {
  const isNegative = ((field[0] as number) & 0x40) !== 0;
  let value = isNegative ? -1n : 0n;
  for (const [i, byte] of field.entries()) {
    // The top bit of the first byte only says that this is base 256; the next one is the sign.
    const bits = i > 0 ? byte : isNegative ? byte | 0x80 : byte & 0x7f;
    value = (value << 8n) | BigInt(bits);
  }
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw malformedTar(offset, `the ${title} is out of range`);
  }
  return number;
}

// Historical writers summed signed bytes.
function checkSum(block: Uint8Array, offset: number): void {
  const field = block.subarray(CHECKSUM_OFFSET, CHECKSUM_OFFSET + CHECKSUM_SIZE);
  let unsigned = CHECKSUM_SIZE * BLANK;
  let high = 0;
  for (let i = 0; i < TAR_BLOCK_SIZE; i++) {
    if (i === CHECKSUM_OFFSET) i += CHECKSUM_SIZE;
    const byte = block[i] as number;
    unsigned += byte;
    high += byte >> 7;
  }
  const expected = decodeTarNumber(field, offset, 'checksum');
  if (expected !== unsigned && expected !== unsigned - 256 * high) {
    throw malformedTar(offset, 'the checksum of the header does not match');
  }
}

/** A field up to its first NUL, as bytes of its own. */
function text(block: Uint8Array, offset: number, size: number): Uint8Array {
  const nul = block.subarray(offset, offset + size).indexOf(0);
  return block.slice(offset, offset + (nul < 0 ? size : nul));
}

function joined(prefix: Uint8Array, name: Uint8Array): Uint8Array {
  const path = new Uint8Array(prefix.length + 1 + name.length);
  path.set(prefix);
  path[prefix.length] = 0x2f;
  path.set(name, prefix.length + 1);
  return path;
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === 0;
}
