/**
 * Collects the contents of a tree, each once and in byte order of the digest, and writes
 * `mount.contents` and `mount.chunks` from them. Pure; rows are made while they are written, so
 * memory does not grow with the number of chunks.
 */
import { equalBytes } from '../../base/bytes.ts';
import { CODEC } from '../../base/codec.ts';
import { G8Error } from '../../base/errors.ts';
import type { Chunk, Content } from '../content.ts';
import { type Inode, S_IFMT, S_IFREG } from '../tree.ts';
import {
  CHUNK_ROW_SIZE,
  checkContent,
  chunkCountOf,
  contentDigest,
  setUint64,
  writeChunkRow,
} from './content-digest.ts';
import {
  CHUNKS_HEADER,
  CHUNKS_HEADER_SIZE,
  CHUNKS_MAGIC,
  CONTENT_ROW,
  CONTENT_ROW_SIZE,
  CONTENTS_FLAG,
  CONTENTS_HEADER,
  CONTENTS_HEADER_SIZE,
  CONTENTS_MAGIC,
  contentsOffsets,
  FORMAT_VERSION,
  INODE_ROW_SIZE,
  LOCATION_ROW,
  LOCATION_ROW_SIZE,
} from './contents-format.ts';
import { sortDigests } from './digest-order.ts';

const DIGEST_SIZE = 32;
/** Their rows cost disk space that no record pays for: a broken flist gets 72 MiB of them. */
const LOST_CHUNKS_MAX = 1 << 20;
const PIECE_SIZE = 1 << 20;

/** The contents of a tree, numbered in byte order of their digests. */
export interface ContentTable {
  readonly contents: readonly Content[];
  /** Digests of {@link contents}, 32 bytes each. */
  readonly digests: Uint8Array;
  /** By inode index: content index + 1, or 0. */
  readonly contentOfInode: Uint32Array;
  readonly chunkCount: number;
  readonly fileBytes: number;
  readonly contentBytes: number;
  /** {@link CONTENTS_FLAG} bits. */
  readonly flags: number;
}

/**
 * @param inodes in tree order
 * @throws ERR_FLIST_FORMAT for contents that break the rules of the format
 */
export function collectContents(inodes: readonly Inode[]): ContentTable {
  const { found, foundOfInode, fileBytes } = findContents(inodes);
  const foundDigests = new Uint8Array(found.length * DIGEST_SIZE);
  for (const [i, content] of found.entries()) {
    foundDigests.set(contentDigest(content), i * DIGEST_SIZE);
  }
  const contents: Content[] = [];
  const digests = new Uint8Array(foundDigests.length);
  const indexOfFound = new Uint32Array(found.length);
  let previous = new Uint8Array(0);
  for (const i of sortDigests(foundDigests)) {
    const digest = foundDigests.subarray(i * DIGEST_SIZE, (i + 1) * DIGEST_SIZE);
    const content = found[i] as Content;
    if (!equalBytes(digest, previous)) {
      digests.set(digest, contents.length * DIGEST_SIZE);
      contents.push(content);
      previous = digest;
    } else if (content.size !== contents.at(-1)?.size) {
      throw invalid(
        `Contents of ${content.size} and ${contents.at(-1)?.size} bytes share a digest`,
      );
    }
    indexOfFound[i] = contents.length - 1;
  }
  const contentOfInode = new Uint32Array(inodes.length);
  for (const [inode, index] of foundOfInode.entries()) {
    if (index > 0) contentOfInode[inode] = (indexOfFound[index - 1] as number) + 1;
  }
  let chunkCount = 0;
  let contentBytes = 0;
  for (const content of contents) {
    chunkCount += chunkCountOf(content);
    contentBytes += content.size;
  }
  const used = digests.subarray(0, contents.length * DIGEST_SIZE);
  const flags = flagsOf(inodes);
  return { contents, digests: used, contentOfInode, chunkCount, fileBytes, contentBytes, flags };
}

function flagsOf(inodes: readonly Inode[]): number {
  let flags = 0;
  for (const { xattrs } of inodes) {
    for (const { name } of xattrs ?? []) {
      const text = Buffer.from(name).toString('latin1');
      // A mount never shows these: an overlay on top of it would obey them.
      if (/^(trusted|user)\.overlay\./.test(text)) continue;
      flags |= CONTENTS_FLAG.visibleXattrs;
      if (/^system\.posix_acl_(access|default)$/.test(text)) flags |= CONTENTS_FLAG.acls;
    }
  }
  return flags;
}

/** Checked content objects in the order of their first inode; equal ones may still occur. */
function findContents(inodes: readonly Inode[]) {
  const found: Content[] = [];
  const indexes = new Map<Content, number>();
  const foundOfInode = new Uint32Array(inodes.length);
  let fileBytes = 0;
  let lost = 0;
  for (const [i, { mode, size, content }] of inodes.entries()) {
    if ((mode & S_IFMT) !== S_IFREG || size === 0) continue;
    if (content?.size !== size) {
      throw invalid(`File of ${size} bytes has a content of ${content?.size ?? 0} bytes`);
    }
    let index = indexes.get(content);
    if (index === undefined) {
      checkContent(content);
      lost += chunkCountOf(content) - content.chunks.length;
      if (lost > LOST_CHUNKS_MAX) throw invalid('Files lack more chunks than can be recorded');
      index = found.length;
      indexes.set(content, index);
      found.push(content);
    }
    foundOfInode[i] = index + 1;
    fileBytes += size;
    if (!Number.isSafeInteger(fileBytes)) throw invalid('Files have more than 2^53 bytes in all');
  }
  return { found, foundOfInode, fileBytes };
}

/** Size of `mount.contents` in bytes. */
export function contentsSizeOf(table: ContentTable): number {
  return offsetsOf(table).size;
}

/** Size of `mount.chunks` in bytes. */
export function chunksSizeOf(table: ContentTable): number {
  return CHUNKS_HEADER_SIZE + LOCATION_ROW_SIZE * table.chunkCount;
}

/** Pieces of `mount.contents`. */
export function* contentsPieces(table: ContentTable): Generator<Uint8Array> {
  const { contentOfInode, contents, digests } = table;
  yield contentsHeader(table);
  const inodeTableSize = INODE_ROW_SIZE * (contentOfInode.length + 1);
  yield* rows(contentOfInode.length + 1, INODE_ROW_SIZE, ({ view }, offset, number) => {
    if (number > 0) view.setUint32(offset, contentOfInode[number - 1] as number, true);
  });
  if (inodeTableSize % 8 !== 0) yield new Uint8Array(8 - (inodeTableSize % 8));
  let firstChunk = 0;
  yield* rows(contents.length, CONTENT_ROW_SIZE, ({ bytes, view }, offset, index) => {
    const content = contents[index] as Content;
    const digest = digests.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE);
    bytes.set(digest, offset + CONTENT_ROW.digest);
    const chunkCount = chunkCountOf(content);
    setUint64(view, offset + CONTENT_ROW.size, content.size);
    setUint64(view, offset + CONTENT_ROW.firstChunk, firstChunk);
    view.setUint32(offset + CONTENT_ROW.chunkCount, chunkCount, true);
    view.setUint8(offset + CONTENT_ROW.blockSizeBits, Math.log2(content.blockSize));
    view.setUint8(offset + CONTENT_ROW.algorithm, content.algorithm);
    setUint64(view, offset + CONTENT_ROW.dataBytes, dataBytesOf(content));
    firstChunk += chunkCount;
  });
  const next = chunkCursor(contents);
  yield* rows(table.chunkCount, CHUNK_ROW_SIZE, ({ bytes }, offset) => {
    writeChunkRow(bytes, offset, next());
  });
}

/** Pieces of `mount.chunks`. */
export function* chunksPieces(table: ContentTable): Generator<Uint8Array> {
  const header = new Uint8Array(CHUNKS_HEADER_SIZE);
  const headerView = new DataView(header.buffer);
  header.set(CHUNKS_MAGIC);
  headerView.setUint32(CHUNKS_HEADER.version, FORMAT_VERSION, true);
  headerView.setUint32(CHUNKS_HEADER.headerSize, CHUNKS_HEADER_SIZE, true);
  setUint64(headerView, CHUNKS_HEADER.chunkCount, table.chunkCount);
  yield header;
  const next = chunkCursor(table.contents);
  yield* rows(table.chunkCount, LOCATION_ROW_SIZE, ({ bytes, view }, offset) => {
    const chunk = next();
    if (chunk === undefined || chunk.codec === CODEC.lost) {
      view.setUint8(offset + LOCATION_ROW.codec, CODEC.lost);
    } else if (chunk.codec !== CODEC.hole) {
      bytes.set(chunk.id, offset + LOCATION_ROW.id);
      view.setUint32(offset + LOCATION_ROW.storedSize, chunk.storedSize, true);
      view.setUint8(offset + LOCATION_ROW.codec, chunk.codec);
      view.setUint8(offset + LOCATION_ROW.idSize, chunk.id.length);
    }
  });
}

function contentsHeader(table: ContentTable): Uint8Array {
  const offsets = offsetsOf(table);
  const header = new Uint8Array(CONTENTS_HEADER_SIZE);
  const view = new DataView(header.buffer);
  header.set(CONTENTS_MAGIC);
  view.setUint32(CONTENTS_HEADER.version, FORMAT_VERSION, true);
  view.setUint32(CONTENTS_HEADER.headerSize, CONTENTS_HEADER_SIZE, true);
  setUint64(view, CONTENTS_HEADER.inodeCount, table.contentOfInode.length);
  setUint64(view, CONTENTS_HEADER.contentCount, table.contents.length);
  setUint64(view, CONTENTS_HEADER.chunkCount, table.chunkCount);
  setUint64(view, CONTENTS_HEADER.inodeTable, offsets.inodeTable);
  setUint64(view, CONTENTS_HEADER.contentTable, offsets.contentTable);
  setUint64(view, CONTENTS_HEADER.chunkTable, offsets.chunkTable);
  setUint64(view, CONTENTS_HEADER.fileBytes, table.fileBytes);
  setUint64(view, CONTENTS_HEADER.contentBytes, table.contentBytes);
  view.setUint32(CONTENTS_HEADER.flags, table.flags, true);
  return header;
}

function offsetsOf(table: ContentTable) {
  return contentsOffsets({
    inodes: table.contentOfInode.length,
    contents: table.contents.length,
    chunks: table.chunkCount,
  });
}

/** Bytes outside holes; lost chunks count, they did hold data. */
function dataBytesOf({ size, blockSize, chunks }: Content): number {
  let bytes = size;
  for (const [i, { codec }] of chunks.entries()) {
    if (codec === CODEC.hole) bytes -= Math.min(blockSize, size - i * blockSize);
  }
  return bytes;
}

/** Steps through the chunks of all contents, with `undefined` where one is lost. */
function chunkCursor(contents: readonly Content[]): () => Chunk | undefined {
  let content = 0;
  let chunk = 0;
  return () => {
    const current = contents[content] as Content;
    const result = current.chunks[chunk];
    chunk++;
    if (chunk === chunkCountOf(current)) {
      content++;
      chunk = 0;
    }
    return result;
  };
}

interface RowTarget {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Pieces of `count` rows; `write` is called once for each, in order, on zeroed memory. */
function* rows(
  count: number,
  rowSize: number,
  write: (target: RowTarget, offset: number, index: number) => void,
): Generator<Uint8Array> {
  const rowsAtOnce = Math.floor(PIECE_SIZE / rowSize);
  for (let first = 0; first < count; first += rowsAtOnce) {
    const inPiece = Math.min(rowsAtOnce, count - first);
    const piece = new Uint8Array(inPiece * rowSize);
    const target = { bytes: piece, view: new DataView(piece.buffer) };
    for (let i = 0; i < inPiece; i++) write(target, i * rowSize, first + i);
    yield piece;
  }
}

function invalid(message: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', message);
}
