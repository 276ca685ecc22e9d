/** Names and paths as one word of ASCII, for dumps and messages, and back. Pure. */

const BLANK = 0x20;
const DELETE = 0x7f;
const PERCENT = 0x25;

/** Printable ASCII as it is, every other byte, blank and `%` as `%XX`. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text +=
      byte > BLANK && byte < DELETE && byte !== PERCENT
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** Bytes of a word; `undefined` when it is not one that {@link escapeBytes} makes. */
export function unescapeBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code !== PERCENT) {
      bytes[length++] = code;
      continue;
    }
    const digits = text.slice(i + 1, i + 3);
    if (!/^[0-9A-F]{2}$/.test(digits)) return undefined;
    bytes[length++] = Number.parseInt(digits, 16);
    i += 2;
  }
  const whole = bytes.subarray(0, length);
  // Each byte string has one word, so that equal words mean equal bytes.
  return escapeBytes(whole) === text ? whole.slice() : undefined;
}
