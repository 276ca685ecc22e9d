/**
 * Extended attributes of an inode in a mount index: namespaces, the escaping of overlayfs's own
 * names, the name filter, and the inline body that follows an inode. Pure.
 */
import { compareBytes, toHex } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import type { Xattr } from '../tree.ts';
import { roundUp } from './erofs-format.ts';
import { xxh32 } from './xxh32.ts';

/** Linux's limit for a full name (XATTR_NAME_MAX). */
const XATTR_NAME_SIZE_MAX = 255;
/** The size of a value is a 16-bit field. */
const XATTR_VALUE_SIZE_MAX = 65535;

const HEADER_SIZE = 12;
const ENTRY_SIZE = 4;
/** The inode counts its body in units of 4 bytes in 16 bits, the header being the first unit. */
const BODY_SIZE_MAX = HEADER_SIZE + 4 * (0xffff - 1);
const FILTER_SEED = 0x25bbe08f;

/** Namespaces by the number that stands for them; the ACL ones are whole names. */
const NAMESPACES = [
  { index: 1, prefix: Buffer.from('user.'), whole: false },
  { index: 2, prefix: Buffer.from('system.posix_acl_access'), whole: true },
  { index: 3, prefix: Buffer.from('system.posix_acl_default'), whole: true },
  { index: 4, prefix: Buffer.from('trusted.'), whole: false },
  { index: 6, prefix: Buffer.from('security.'), whole: false },
] as const;

const OVERLAY = Buffer.from('trusted.overlay.');
const ESCAPED = Buffer.from('trusted.overlay.overlay.');
const METACOPY = Buffer.from('trusted.overlay.metacopy');
const REDIRECT = Buffer.from('trusted.overlay.redirect');

/** An attribute as it is stored: name escaped, namespace split off. */
interface StoredXattr {
  readonly fullName: Uint8Array;
  readonly index: number;
  readonly suffix: Uint8Array;
  readonly value: Uint8Array;
}

/** Tells whether a mount index can hold an attribute of that full name. */
export function isXattrNameStorable(name: Uint8Array): boolean {
  return name.length <= XATTR_NAME_SIZE_MAX && !name.includes(0) && splitName(name) !== undefined;
}

/**
 * Encodes the inline body of an inode that has attributes of its own.
 *
 * @param digest content digest of a regular file that has one
 * @throws ERR_FLIST_FORMAT for a name, value or sum of sizes that does not fit the format
 */
export function encodeXattrs(xattrs: readonly Xattr[], digest?: Uint8Array): Uint8Array {
  const stored = xattrs.map(toStored);
  if (digest !== undefined) {
    stored.push(
      toParts(METACOPY, new Uint8Array(0)),
      toParts(REDIRECT, Buffer.from(redirectPath(digest))),
    );
  }
  stored.sort((a, b) => compareBytes(a.fullName, b.fullName));
  let size = HEADER_SIZE;
  for (const { suffix, value } of stored) size += entrySize(suffix.length, value.length);
  if (size > BODY_SIZE_MAX) throw invalid(`Extended attributes of one inode take ${size} bytes`);
  const body = new Uint8Array(size);
  const view = new DataView(body.buffer);
  let present = 0;
  let offset = HEADER_SIZE;
  for (const [i, { fullName, index, suffix, value }] of stored.entries()) {
    if (i > 0 && compareBytes((stored[i - 1] as StoredXattr).fullName, fullName) === 0) {
      throw invalid(`Extended attribute ${printable(fullName)} occurs twice`);
    }
    present |= 1 << (xxh32(suffix, FILTER_SEED + index) & 31);
    view.setUint8(offset, suffix.length);
    view.setUint8(offset + 1, index);
    view.setUint16(offset + 2, value.length, true);
    body.set(suffix, offset + ENTRY_SIZE);
    body.set(value, offset + ENTRY_SIZE + suffix.length);
    offset += entrySize(suffix.length, value.length);
  }
  // A set bit promises that no name of this inode hashes there.
  view.setUint32(0, ~present >>> 0, true);
  return body;
}

const OVERLAY_BODY = encodeXattrs([], new Uint8Array(32));
const OVERLAY_HEX_OFFSET = Buffer.from(OVERLAY_BODY).indexOf('/00/00/') + '/00/00/'.length;
const HEX_DIGITS = Buffer.from('0123456789abcdef');

/** Size of the body of a regular file with content and no attributes of its own. */
export const OVERLAY_BODY_SIZE = OVERLAY_BODY.length;

/** Writes that body: the common case, so it patches a template. */
export function writeOverlayBody(target: Uint8Array, offset: number, digest: Uint8Array): void {
  target.set(OVERLAY_BODY, offset);
  const hex = offset + OVERLAY_HEX_OFFSET;
  for (let i = 0; i < digest.length; i++) {
    const byte = digest[i] as number;
    target[hex + 2 * i] = HEX_DIGITS[byte >>> 4] as number;
    target[hex + 2 * i + 1] = HEX_DIGITS[byte & 15] as number;
  }
  target.copyWithin(hex - 6, hex, hex + 2);
  target.copyWithin(hex - 3, hex + 2, hex + 4);
}

/** Path of a content object below the root of a data layer: `/aa/bb/<64 hex characters>`. */
export function redirectPath(digest: Uint8Array): string {
  const hex = toHex(digest);
  return `/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex}`;
}

/** The inode's 16-bit count for a body of that size; 0 for no body. */
export function xattrCountOf(bodySize: number): number {
  return bodySize === 0 ? 0 : (bodySize - HEADER_SIZE) / 4 + 1;
}

/** Inverse of {@link xattrCountOf}. */
export function xattrBodySizeOf(count: number): number {
  return count === 0 ? 0 : HEADER_SIZE + 4 * (count - 1);
}

/**
 * Decodes a body into the attributes of the image: overlayfs's own ones are left out, escaped ones
 * get their names back. Sorted by name.
 *
 * @param fail builds the error for a body that is malformed at the given offset inside it
 */
export function decodeXattrs(
  body: Uint8Array,
  fail: (offset: number, reason: string) => Error,
): Xattr[] {
  if (body.length === 0) return [];
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (view.getUint8(4) !== 0) throw fail(4, 'shared extended attributes are not used here');
  const xattrs: Xattr[] = [];
  let offset = HEADER_SIZE;
  while (offset < body.length) {
    const suffixSize = view.getUint8(offset);
    const index = view.getUint8(offset + 1);
    const valueSize = view.getUint16(offset + 2, true);
    const end = offset + entrySize(suffixSize, valueSize);
    if (end > body.length) throw fail(offset, 'extended attribute exceeds its inode');
    const space = NAMESPACES.find((candidate) => candidate.index === index);
    if (space === undefined || (space.whole ? suffixSize !== 0 : suffixSize === 0)) {
      throw fail(offset, 'extended attribute of an unknown namespace');
    }
    const valueOffset = offset + ENTRY_SIZE + suffixSize;
    const suffix = body.subarray(offset + ENTRY_SIZE, valueOffset);
    const name = toImageName(new Uint8Array(Buffer.concat([space.prefix, suffix])));
    if (name !== undefined) {
      xattrs.push({ name, value: body.slice(valueOffset, valueOffset + valueSize) });
    }
    offset = end;
  }
  return xattrs.sort((a, b) => compareBytes(a.name, b.name));
}

/** Name in the image for a stored full name; `undefined` for overlayfs's own ones. */
function toImageName(fullName: Uint8Array): Uint8Array | undefined {
  if (!startsWith(fullName, OVERLAY)) return fullName;
  if (!startsWith(fullName, ESCAPED)) return undefined;
  return new Uint8Array(Buffer.concat([OVERLAY, fullName.subarray(ESCAPED.length)]));
}

function toStored({ name, value }: Xattr): StoredXattr {
  if (!isXattrNameStorable(name)) {
    throw invalid(`Extended attribute ${printable(name)} has a name that cannot be stored`);
  }
  if (value.length > XATTR_VALUE_SIZE_MAX) {
    throw invalid(`Extended attribute ${printable(name)} has a value of ${value.length} bytes`);
  }
  if (!startsWith(name, OVERLAY)) return toParts(name, value);
  return toParts(Buffer.concat([ESCAPED, name.subarray(OVERLAY.length)]), value);
}

function toParts(fullName: Uint8Array, value: Uint8Array): StoredXattr {
  const parts = splitName(fullName);
  if (parts === undefined) throw new TypeError('name without a namespace');
  return { fullName, ...parts, value };
}

function splitName(fullName: Uint8Array): { index: number; suffix: Uint8Array } | undefined {
  for (const { index, prefix, whole } of NAMESPACES) {
    if (!startsWith(fullName, prefix)) continue;
    const suffix = fullName.subarray(prefix.length);
    if (whole ? suffix.length === 0 : suffix.length > 0) return { index, suffix };
  }
  return undefined;
}

function entrySize(suffixSize: number, valueSize: number): number {
  return roundUp(ENTRY_SIZE + suffixSize + valueSize, 4);
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return (
    bytes.length >= prefix.length && compareBytes(bytes.subarray(0, prefix.length), prefix) === 0
  );
}

function printable(name: Uint8Array): string {
  return JSON.stringify(Buffer.from(name).toString('latin1'));
}

function invalid(message: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', message);
}
