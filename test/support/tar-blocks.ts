/** Tar archives put together block by block, also wrong ones: for tests of whatever reads archives. */

import type { TarEntry } from '../../src/format/tar/entry.ts';
import { TarReader } from '../../src/format/tar/reader.ts';

export interface RawHeader {
  readonly name?: string | Uint8Array;
  readonly type?: string;
  readonly mode?: string;
  readonly uid?: string | Uint8Array;
  readonly gid?: string | Uint8Array;
  readonly size?: number | Uint8Array;
  readonly mtime?: string | Uint8Array;
  readonly link?: string | Uint8Array;
  readonly magic?: string;
  readonly major?: string;
  readonly minor?: string;
  readonly prefix?: string;
  /** Further bytes by their offset; the sum counts them. */
  readonly more?: Readonly<Record<number, string | Uint8Array>>;
  /** Sum bytes as signed ones, as some historical tars do. */
  readonly signedSum?: boolean;
}

const latin1 = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? Buffer.from(value, 'latin1') : value;

/** One header block with a right checksum. */
export function tarHeader(raw: RawHeader = {}): Buffer {
  const block = Buffer.alloc(512);
  const put = (offset: number, value: string | Uint8Array): void =>
    block.set(latin1(value), offset);
  put(0, raw.name ?? 'file');
  put(100, raw.mode ?? '0000644\0');
  put(108, raw.uid ?? '0000000\0');
  put(116, raw.gid ?? '0000000\0');
  const { size = 0 } = raw;
  put(124, typeof size === 'number' ? `${size.toString(8).padStart(11, '0')}\0` : size);
  put(136, raw.mtime ?? '00000000000\0');
  put(156, raw.type ?? '0');
  put(157, raw.link ?? '');
  put(257, raw.magic ?? 'ustar\x0000');
  if (raw.magic !== '') {
    put(329, raw.major ?? '0000000\0');
    put(337, raw.minor ?? '0000000\0');
    put(345, raw.prefix ?? '');
  }
  for (const [offset, value] of Object.entries(raw.more ?? {})) put(Number(offset), value);
  put(148, '        ');
  let sum = 0;
  for (const byte of block) sum += raw.signedSum === true && byte > 127 ? byte - 256 : byte;
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** An entry: header, data, filling. */
export function tarFile(raw: RawHeader, data: string | Uint8Array = ''): Buffer {
  const bytes = latin1(data);
  const header = tarHeader({ size: bytes.length, ...raw });
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** An extended header with these records, in order. */
export function paxHeader(
  records: readonly (readonly [keyword: string, value: string | Uint8Array])[],
  type = 'x',
): Buffer {
  const data = records.map(([keyword, value]) => {
    const tail = Buffer.concat([latin1(` ${keyword}=`), latin1(value), Buffer.from('\n')]);
    let size = tail.length;
    while (size !== tail.length + String(size).length) size = tail.length + String(size).length;
    return Buffer.concat([Buffer.from(String(size)), tail]);
  });
  return tarFile({ name: 'PaxHeaders/x', type }, Buffer.concat(data));
}

export const TAR_END = Buffer.alloc(1024);

export interface ReadEntry {
  readonly entry: TarEntry;
  /** What is stored of it. */
  readonly data: Buffer;
}

/** Reads a whole archive that comes in pieces of the given size. */
export async function readAll(
  archive: Uint8Array,
  pieceSize = archive.length,
): Promise<ReadEntry[]> {
  const reader = new TarReader(pieces(archive, pieceSize));
  const entries: ReadEntry[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const data: Uint8Array[] = [];
    for (let some = await reader.readSome(1 << 20); some; some = await reader.readSome(1 << 20)) {
      data.push(some.slice());
    }
    entries.push({ entry, data: Buffer.concat(data) });
  }
  return entries;
}

export async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += Math.max(1, size)) {
    yield bytes.subarray(at, at + Math.max(1, size));
  }
}

/** The same zeros again and again, without keeping them. */
export async function* zeros(count: number): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(1 << 20);
  for (let left = count; left > 0; left -= piece.length) yield piece.subarray(0, left);
}

export function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('latin1');
}
