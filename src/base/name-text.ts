/**
 * File names for people and programs. Names are bytes: a terminal gets them escaped, so that no name can
 * move its cursor, a pipe gets them as they are, JSON gets text and, where that loses something, hex.
 */
import { toHex } from './bytes.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes that print a name: `\xHH` for what is no printable UTF-8 when `escaped`, else the name itself. */
export function printableName(name: Uint8Array, escaped: boolean): Uint8Array | string {
  return escaped ? escapeName(name) : name;
}

/** The name as one line of printable text; a backslash is doubled, so that nothing is ambiguous. */
export function escapeName(name: Uint8Array): string {
  const text = decodeName(name);
  if (text === undefined) {
    return [...name]
      .map((byte) => (isPlain(byte) ? String.fromCharCode(byte) : hex(byte)))
      .join('');
  }
  return text.replace(/\\|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) =>
    char === '\\' ? '\\\\' : [...Buffer.from(char)].map(hex).join(''),
  );
}

/** The bytes of {@link escapeName}'s text; a backslash that begins nothing stands for itself. */
export function unescapeName(text: string): Uint8Array {
  const pieces = text.split(/(\\\\|\\x[0-9a-f]{2})/).map((piece) => {
    if (piece === '\\\\') return Buffer.from('\\');
    if (piece.startsWith('\\x') && piece.length === 4) return Buffer.from(piece.slice(2), 'hex');
    return Buffer.from(piece);
  });
  return new Uint8Array(Buffer.concat(pieces));
}

/** Fields for JSON: `{ path }`, and `pathHex` when the bytes are no UTF-8. */
export function jsonName<K extends string>(
  key: K,
  name: Uint8Array,
): Record<K, string> | Record<K | `${K}Hex`, string> {
  const text = decodeName(name);
  if (text !== undefined) return { [key]: text } as Record<K, string>;
  const lossy = Buffer.from(name).toString();
  return { [key]: lossy, [`${key}Hex`]: toHex(name) } as Record<K | `${K}Hex`, string>;
}

function decodeName(name: Uint8Array): string | undefined {
  try {
    return decoder.decode(name);
  } catch {
    return undefined;
  }
}

function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
