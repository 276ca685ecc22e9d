/**
 * Encodes extended headers of PAX archives; the twin of `pax.ts`. Values are bytes: names and attributes
 * are written as they are, whatever their encoding. Pure.
 *
 * @see POSIX pax(1), extended header; the GNU tar manual for `SCHILY.xattr`
 */
import { encodeTarHeader, tarPadding } from './write-header.ts';

export type PaxRecord = readonly [keyword: string, value: Uint8Array | string];

const NAME = Buffer.from('PaxHeaders/entry');

/** Header and data of an extended header for the next entry. */
export function encodePaxHeader(records: readonly PaxRecord[]): Uint8Array {
  const data = Buffer.concat(records.map(encodePaxRecord));
  const header = encodeTarHeader({ typeflag: 'x', name: NAME, mode: 0o644, size: data.length });
  return Buffer.concat([header, data, tarPadding(data.length)]);
}

/** `25 mtime=1500000000.125` and a newline: the number counts the whole record, itself included. */
function encodePaxRecord([keyword, value]: PaxRecord): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const head = Buffer.from(` ${keyword}=`, 'latin1');
  const rest = head.length + bytes.length + 1;
  let size = rest + String(rest).length;
  // The number's own digits may make it one digit longer.
  if (rest + String(size).length !== size) size = rest + String(size).length;
  return Buffer.concat([Buffer.from(String(size)), head, bytes, Buffer.from('\n')]);
}

/** The keyword of an attribute: `=` would end it, so GNU tar writes `=` and `%` escaped. */
export function xattrKeyword(name: Uint8Array): string {
  const text = Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
  return `SCHILY.xattr.${text.replace(/%/g, '%25').replace(/=/g, '%3D')}`;
}

/** A time with as many decimals as it needs. The fraction counts away from zero: -1.5, not -2 + 0.5. */
export function paxTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const isNegative = seconds < 0;
  const whole = isNegative ? -seconds - 1 : seconds;
  const fraction = isNegative ? 1_000_000_000 - nanoseconds : nanoseconds;
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '');
  return `${isNegative ? '-' : ''}${whole}.${digits}`;
}
