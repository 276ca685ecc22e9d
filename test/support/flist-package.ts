/** The smallest things that pass for flists: tars with one member, plain and packed. */
import { gzipSync } from 'node:zlib';

/** A tar of one file; `size` bytes of content make it as long as a test needs. */
export function tarOf(content: Uint8Array): Buffer {
  const header = Buffer.alloc(512);
  header.write('CURRENT', 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\u000000', 257);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc(((512 - (content.length % 512)) % 512) + 1024);
  return Buffer.concat([header, content, padding]);
}

export function flistOf(text: string): Buffer {
  return gzipSync(tarOf(Buffer.from(text, 'utf8')));
}
