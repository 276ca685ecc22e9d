/**
 * Layout of `mount.contents` and `mount.chunks` (docs/format.md, sections 5 and 6), shared by the
 * writer and the reader. Pure.
 */

export const CONTENTS_MAGIC = Buffer.from('G8UFSCON');
export const CHUNKS_MAGIC = Buffer.from('G8UFSCHK');
export const FORMAT_VERSION = 1;

export const CONTENTS_HEADER_SIZE = 128;
/** Offsets inside the header of `mount.contents`. */
export const CONTENTS_HEADER = {
  version: 8,
  headerSize: 12,
  inodeCount: 16,
  contentCount: 24,
  chunkCount: 32,
  inodeTable: 40,
  contentTable: 48,
  chunkTable: 56,
  fileBytes: 64,
  contentBytes: 72,
  flags: 80,
} as const;

/** What the whole image has, so that a mount need not look for it. */
export const CONTENTS_FLAG = { visibleXattrs: 1, acls: 2 } as const;

export const INODE_ROW_SIZE = 4;
export const CONTENT_ROW_SIZE = 64;
/** Offsets inside a row of the content table. */
export const CONTENT_ROW = {
  digest: 0,
  size: 32,
  firstChunk: 40,
  chunkCount: 48,
  blockSizeBits: 52,
  algorithm: 53,
  dataBytes: 56,
} as const;

export const CHUNKS_HEADER_SIZE = 64;
/** Offsets inside the header of `mount.chunks`. */
export const CHUNKS_HEADER = { version: 8, headerSize: 12, chunkCount: 16 } as const;
export const LOCATION_ROW_SIZE = 40;
/** Offsets inside a row of `mount.chunks`. */
export const LOCATION_ROW = { id: 0, storedSize: 32, codec: 36, idSize: 37 } as const;

/** Where the tables of `mount.contents` are: they follow each other, nothing between but padding. */
export function contentsOffsets(counts: {
  readonly inodes: number;
  readonly contents: number;
  readonly chunks: number;
}): { inodeTable: number; contentTable: number; chunkTable: number; size: number } {
  const inodeTable = CONTENTS_HEADER_SIZE;
  const contentTable = Math.ceil((inodeTable + INODE_ROW_SIZE * (counts.inodes + 1)) / 8) * 8;
  const chunkTable = contentTable + CONTENT_ROW_SIZE * counts.contents;
  return { inodeTable, contentTable, chunkTable, size: chunkTable + 32 * counts.chunks };
}
