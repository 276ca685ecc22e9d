/** What the first bytes of a file are to a browser that must not run them. Pure. */

/** Raster pictures only: others (SVG) are documents with scripts. */
const PICTURES: readonly (readonly [string, RegExp])[] = [
  ['image/png', /^89504e470d0a1a0a/],
  ['image/jpeg', /^ffd8ff/],
  ['image/gif', /^474946383[79]61/],
  ['image/webp', /^52494646.{8}57454250/],
];

/** Media type of a picture that a page may show; `undefined` for anything else. */
export function imageType(head: Uint8Array): string | undefined {
  const hex = Buffer.from(head.subarray(0, 12)).toString('hex');
  return PICTURES.find(([, pattern]) => pattern.test(hex))?.[0];
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** A character that is cut off at the end has up to three bytes there. */
const CUT_MAX = 3;

/** The bytes as text with its controls made visible; `undefined` when they are none. */
export function textOf(head: Uint8Array, isCut: boolean): string | undefined {
  if (head.includes(0)) return undefined;
  for (let cut = 0; cut <= (isCut ? CUT_MAX : 0); cut++) {
    try {
      const text = decoder.decode(head.subarray(0, head.length - cut));
      // Direction marks and controls would show another text than there is.
      return text.replace(/(?![\n\t])[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\u{fffd}');
    } catch {
      // Perhaps a character is cut in two.
    }
  }
  return undefined;
}

const ROW_SIZE = 16;

/** `offset  hex  text`, as hexdump(1) writes it. */
export function hexDump(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += ROW_SIZE) {
    const row = [...bytes.subarray(at, at + ROW_SIZE)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0'));
    const halves = [hex.slice(0, 8).join(' '), hex.slice(8).join(' ')].join('  ').padEnd(49);
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
    rows.push(`${at.toString(16).padStart(8, '0')}  ${halves} |${text.join('')}|`);
  }
  return rows.join('\n');
}
