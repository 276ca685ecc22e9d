/**
 * Extended headers of PAX archives: records of a keyword and a value, both bytes. Turns them into the
 * fields that an entry takes from them. A global header's fields last, those of an entry's own
 * header win. Keywords that nobody here needs are passed over. Pure.
 *
 * @see POSIX pax(1), extended header; the GNU tar and libarchive manuals for their keywords
 */
import type { Xattr } from '../tree.ts';
import { aclFromText } from './acl.ts';
import { malformedTar } from './malformed.ts';
import { SparseRecords } from './sparse.ts';

/** Attributes of one entry in an image are at most 256 KiB; sparse maps of 0.1 need some more. */
export const PAX_SIZE_MAX = 4 * 1024 * 1024;

const BLANK = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

export interface PaxTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What extended headers say; a field that none of them has is absent. */
export interface PaxFields {
  path?: Uint8Array;
  linkPath?: Uint8Array;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: PaxTime;
  rdevMajor?: number;
  rdevMinor?: number;
  /** By name, each byte a character. */
  xattrs?: Map<string, Xattr>;
  sparse?: SparseRecords;
}

/**
 * Adds the records of one header to the fields.
 *
 * @param offset of the header in the archive, for messages
 * @throws ERR_FLIST_FORMAT
 */
export function addPaxRecords(fields: PaxFields, data: Uint8Array, offset: number): void {
  for (const [keyword, value] of paxRecords(data, offset)) {
    const set = SETTERS[keyword];
    if (set !== undefined) {
      set(fields, value, offset);
    } else if (keyword.startsWith('SCHILY.xattr.')) {
      addXattr(fields, decodeKeyword(keyword.slice('SCHILY.xattr.'.length)), value);
    } else if (keyword.startsWith('LIBARCHIVE.xattr.')) {
      const name = decodePercent(keyword.slice('LIBARCHIVE.xattr.'.length));
      addXattr(fields, name, decodeBase64(value, offset));
    } else if (keyword.startsWith('GNU.sparse.')) {
      fields.sparse ??= new SparseRecords();
      fields.sparse.add(keyword.slice('GNU.sparse.'.length), value, offset);
    }
  }
}

type Setter = (fields: PaxFields, value: Uint8Array, offset: number) => void;

const SETTERS: Readonly<Record<string, Setter | undefined>> = Object.assign(Object.create(null), {
  path: bytes('path'),
  linkpath: bytes('linkPath'),
  size: integer('size'),
  uid: integer('uid'),
  gid: integer('gid'),
  'SCHILY.devmajor': integer('rdevMajor'),
  'SCHILY.devminor': integer('rdevMinor'),
  mtime: setTime,
  'SCHILY.acl.access': acl('system.posix_acl_access'),
  'SCHILY.acl.default': acl('system.posix_acl_default'),
});

// An empty value takes back what another header said.
function bytes(field: 'path' | 'linkPath'): Setter {
  return (fields, value) => {
    if (value.length === 0) delete fields[field];
    else fields[field] = value.slice();
  };
}

function integer(field: 'size' | 'uid' | 'gid' | 'rdevMajor' | 'rdevMinor'): Setter {
  return (fields, value, offset) => {
    if (value.length === 0) delete fields[field];
    else fields[field] = decodeDecimal(value, offset, field);
  };
}

function setTime(fields: PaxFields, value: Uint8Array, offset: number): void {
  if (value.length === 0) delete fields.mtime;
  else fields.mtime = decodeTime(value, offset);
}

function acl(name: string): Setter {
  return (fields, value, offset) => {
    if (value.length > 0) addXattr(fields, name, aclFromText(value, offset));
  };
}

function addXattr(fields: PaxFields, name: string, value: Uint8Array): void {
  fields.xattrs ??= new Map();
  fields.xattrs.set(name, {
    name: new Uint8Array(Buffer.from(name, 'latin1')),
    value: value.slice(),
  });
}

/** Each record is its own length in decimal, a blank, `keyword=value` and a newline. */
function* paxRecords(
  data: Uint8Array,
  offset: number,
): Generator<readonly [keyword: string, value: Uint8Array]> {
  for (let at = 0; at < data.length; ) {
    // Some writers fill the rest with zeros.
    if (data[at] === 0) return;
    const blank = data.subarray(at, at + 20).indexOf(BLANK);
    const digits = blank < 0 ? '' : latin1(data.subarray(at, at + blank));
    const size = /^\d{1,19}$/.test(digits) ? Number(digits) : 0;
    const end = at + size;
    if (size <= blank + 1 || end > data.length || data[end - 1] !== NEWLINE) {
      throw malformedTar(offset, 'a record of the extended header has a wrong length');
    }
    const record = data.subarray(at + blank + 1, end - 1);
    const equals = record.indexOf(EQUALS);
    if (equals <= 0) throw malformedTar(offset, 'a record of the extended header has no keyword');
    yield [latin1(record.subarray(0, equals)), record.subarray(equals + 1)];
    at = end;
  }
}

/** @throws ERR_FLIST_FORMAT when the text is no whole number from 0 to 2^53 - 1 */
export function decodeDecimal(value: Uint8Array, offset: number, title: string): number {
  const text = value.length > 20 ? '' : latin1(value);
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw malformedTar(offset, `'${title}' of the extended header is no number`);
  }
  return number;
}

// A fraction counts away from zero, as in -1.25; the parts of a time count upwards.
function decodeTime(value: Uint8Array, offset: number): PaxTime {
  const text = value.length > 64 ? '' : latin1(value);
  const match = /^(-?)(\d{1,16})(?:\.(\d*))?$/.exec(text);
  const whole = Number(match?.[2]);
  if (match === null || !Number.isSafeInteger(whole)) {
    throw malformedTar(offset, `'mtime' of the extended header is no time`);
  }
  const nanoseconds = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { seconds: whole, nanoseconds };
  if (nanoseconds === 0) return { seconds: 0 - whole, nanoseconds };
  return { seconds: -whole - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

// GNU tar writes `=` and `%` of a name so, and nothing else.
function decodeKeyword(keyword: string): string {
  return keyword.replace(/%3D/g, '=').replace(/%25/g, '%');
}

function decodePercent(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function decodeBase64(value: Uint8Array, offset: number): Uint8Array {
  const text = latin1(value);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw malformedTar(offset, 'an attribute of the extended header is no Base64');
  }
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function latin1(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
}
