/** Names and paths as one word of ASCII, for dumps and messages. Pure. */

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
