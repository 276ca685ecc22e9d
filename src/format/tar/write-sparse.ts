/**
 * Sparse files in archives, in the form 1.0 of GNU tar, which libarchive and Go read as well: the map of
 * the regions stands in front of their bytes. Pure.
 *
 * @see GNU tar manual, PAX Format, Version 1.0
 */
import { CODEC } from '../../base/codec.ts';
import type { Content } from '../content.ts';
import type { TarRegion } from './entry.ts';
import { tarPadding } from './write-header.ts';
import type { PaxRecord } from './write-pax.ts';

/** Regions of a content outside its holes, in order; one without bytes at the end if that is a hole. */
export function contentRegions(content: Content): TarRegion[] {
  const { size, blockSize, chunks } = content;
  const regions: { offset: number; length: number }[] = [];
  for (const [i, chunk] of chunks.entries()) {
    if (chunk.codec === CODEC.hole) continue;
    const offset = i * blockSize;
    const length = Math.min(blockSize, size - offset);
    const last = regions.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else regions.push({ offset, length });
  }
  const last = regions.at(-1);
  if (last === undefined || last.offset + last.length < size) {
    regions.push({ offset: size, length: 0 });
  }
  return regions;
}

export function hasHoles(content: Content): boolean {
  return content.chunks.some(({ codec }) => codec === CODEC.hole);
}

/** The map as it stands in front of the data, in whole blocks. */
export function encodeSparseMap(regions: readonly TarRegion[]): Uint8Array {
  const numbers = regions.flatMap(({ offset, length }) => [offset, length]);
  const text = Buffer.from(`${[regions.length, ...numbers].join('\n')}\n`);
  return Buffer.concat([text, tarPadding(text.length)]);
}

/** Records that say so; `path` is the real name. */
export function sparseRecords(path: Uint8Array, size: number): PaxRecord[] {
  return [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.name', path],
    ['GNU.sparse.realsize', String(size)],
  ];
}

/** The name that a reader sees who knows nothing of sparse files. */
export function sparseHeaderName(path: Uint8Array): Uint8Array {
  const slash = path.lastIndexOf(0x2f);
  const folder = path.subarray(0, slash + 1);
  return Buffer.concat([folder, Buffer.from('GNUSparseFile.0/'), path.subarray(slash + 1)]);
}
