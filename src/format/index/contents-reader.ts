/**
 * Reads `mount.contents` and `mount.chunks` (docs/format.md, sections 5 and 6). Opening checks the
 * headers only; everything else is checked when it is used. Keeps no state but the two sources.
 */
import { compareBytes } from '../../base/bytes.ts';
import { CODEC, type DigestAlgorithm } from '../../base/codec.ts';
import type { Chunk, Content } from '../content.ts';
import { CHUNK_ROW_SIZE, digestSizeOf } from './content-digest.ts';
import {
  CHUNKS_HEADER,
  CHUNKS_HEADER_SIZE,
  CHUNKS_MAGIC,
  CONTENT_ROW,
  CONTENT_ROW_SIZE,
  CONTENTS_HEADER,
  CONTENTS_HEADER_SIZE,
  CONTENTS_MAGIC,
  contentsOffsets,
  FORMAT_VERSION,
  INODE_ROW_SIZE,
  LOCATION_ROW,
  LOCATION_ROW_SIZE,
} from './contents-format.ts';
import { absentCodecOf, type ContentsTotals, isDataCodec, isSoundContent } from './contents-row.ts';
import { ContentsScan } from './contents-scan.ts';
import { type ByteSource, getUint64, IndexFile } from './source.ts';

const NO_BYTES = new Uint8Array(0);
/** Rows of the inode table read at a time: 64 KiB. */
const INODE_ROWS_PER_READ = 16 * 1024;

export type { ContentsTotals };

/** A content without its chunks. */
export interface ContentSummary {
  readonly digest: Uint8Array;
  readonly size: number;
  readonly blockSize: number;
  readonly algorithm: DigestAlgorithm;
  /** Position of its first chunk among the chunks of all contents. */
  readonly firstChunk: number;
  readonly chunkCount: number;
  /** Bytes outside holes. */
  readonly dataBytes: number;
}

export class ContentsReader {
  readonly #contents: IndexFile;
  readonly #chunks: IndexFile;
  readonly #totals: ContentsTotals;
  readonly #contentTable: number;
  readonly #chunkTable: number;

  /**
   * @throws ERR_FLIST_FORMAT when a header does not fit its file
   * @throws ERR_FLIST_VERSION when a file is of a later version
   */
  constructor(contents: ByteSource, chunks: ByteSource) {
    this.#contents = new IndexFile('mount.contents', contents);
    this.#chunks = new IndexFile('mount.chunks', chunks);
    this.#totals = readContentsHeader(this.#contents);
    const offsets = contentsOffsets(this.#totals);
    this.#contentTable = offsets.contentTable;
    this.#chunkTable = offsets.chunkTable;
    checkChunksHeader(this.#chunks, this.#totals.chunks);
  }

  totals(): ContentsTotals {
    return this.#totals;
  }

  /**
   * Index of the content of an inode, by its `i_ino`; `undefined` when it has none.
   *
   * @throws ERR_FLIST_FORMAT also for a number that no inode has
   */
  contentOf(ino: number): number | undefined {
    const offset = CONTENTS_HEADER_SIZE + INODE_ROW_SIZE * ino;
    if (!(ino >= 1 && ino <= this.#totals.inodes)) {
      throw this.#contents.fail(CONTENTS_HEADER_SIZE, `there is no inode ${ino}`);
    }
    const value = this.#contents.view(offset, INODE_ROW_SIZE).getUint32(0, true);
    if (value > this.#totals.contents) throw this.#contents.fail(offset, 'bad content index');
    return value === 0 ? undefined : value - 1;
  }

  /** For each content the first inode that has it, by `i_ino`; 0 for one that none has. */
  firstInodes(): Uint32Array {
    const { inodes, contents } = this.#totals;
    const first = new Uint32Array(contents);
    for (let from = 1; from <= inodes; from += INODE_ROWS_PER_READ) {
      const count = Math.min(INODE_ROWS_PER_READ, inodes - from + 1);
      const offset = CONTENTS_HEADER_SIZE + INODE_ROW_SIZE * from;
      const view = this.#contents.view(offset, INODE_ROW_SIZE * count);
      for (let i = 0; i < count; i++) {
        const row = view.getUint32(INODE_ROW_SIZE * i, true);
        if (row > 0 && row <= contents && first[row - 1] === 0) first[row - 1] = from + i;
      }
    }
    return first;
  }

  /** @throws ERR_FLIST_FORMAT also for an index that no content has */
  content(index: number): ContentSummary {
    const offset = this.#contentOffset(index);
    const view = this.#contents.view(offset, CONTENT_ROW_SIZE);
    const size = getUint64(view, CONTENT_ROW.size) ?? 0;
    const firstChunk = getUint64(view, CONTENT_ROW.firstChunk) ?? Number.NaN;
    const chunkCount = view.getUint32(CONTENT_ROW.chunkCount, true);
    const blockSize = 2 ** view.getUint8(CONTENT_ROW.blockSizeBits);
    const algorithm = view.getUint8(CONTENT_ROW.algorithm) as DigestAlgorithm;
    const dataBytes = getUint64(view, CONTENT_ROW.dataBytes) ?? Number.NaN;
    const row = { size, blockSize, algorithm, firstChunk, chunkCount, dataBytes };
    const isSound = isSoundContent(row, this.#totals.chunks);
    if (!isSound) throw this.#contents.fail(offset, 'bad content row');
    return { digest: bytesAt(view, CONTENT_ROW.digest, CHUNK_ROW_SIZE), ...row };
  }

  /**
   * All contents, in byte order of their digests. Their runs of chunks follow each other, so that the chunks
   * of all are no more than there are.
   */
  *all(): Generator<ContentSummary & { readonly index: number }> {
    let chunk = 0;
    for (let index = 0; index < this.#totals.contents; index++) {
      const content = this.content(index);
      if (content.firstChunk !== chunk) {
        throw this.#contents.fail(this.#contentOffset(index), 'chunks do not follow each other');
      }
      chunk += content.chunkCount;
      yield { ...content, index };
    }
  }

  /** A pass over all contents and their chunks, for what looks at all of them. */
  scan(): ContentsScan {
    return new ContentsScan({
      contents: this.#contents,
      chunks: this.#chunks,
      totals: this.#totals,
      contentTable: this.#contentTable,
      chunkTable: this.#chunkTable,
    });
  }

  /** Chunk `i` of a content. */
  chunk(index: number, i: number): Chunk {
    const content = this.content(index);
    if (!(i >= 0 && i < content.chunkCount)) {
      throw new RangeError(`Content ${index} has no chunk ${i}`);
    }
    return this.#chunkAt(content, content.firstChunk + i);
  }

  /** Chunks of a content in order, lost ones too. */
  *chunksOf(content: ContentSummary): Generator<Chunk> {
    for (let i = 0; i < content.chunkCount; i++) {
      yield this.#chunkAt(content, content.firstChunk + i);
    }
  }

  /** The whole content as trees have it: lost chunks at its end are those that it lacks. */
  toContent(index: number): Content {
    const content = this.content(index);
    const chunks: Chunk[] = [];
    for (let i = 0; i < content.chunkCount; i++) {
      chunks.push(this.#chunkAt(content, content.firstChunk + i));
    }
    while (chunks.at(-1)?.codec === CODEC.lost) chunks.pop();
    const { size, blockSize, algorithm } = content;
    return { size, blockSize, algorithm, chunks };
  }

  /** Index of the content with that digest; `undefined` when there is none. */
  findByDigest(digest: Uint8Array): number | undefined {
    const index = this.#firstFrom(digest);
    if (index === this.#totals.contents) return undefined;
    return compareBytes(this.#digestAt(index), digest) === 0 ? index : undefined;
  }

  /** Index of a content whose digest begins so; `undefined` when there is none. */
  findByPrefix(prefix: Uint8Array): number | undefined {
    const index = this.#firstFrom(prefix);
    if (index === this.#totals.contents) return undefined;
    const found = this.#digestAt(index).subarray(0, prefix.length);
    return compareBytes(found, prefix) === 0 ? index : undefined;
  }

  /** Index of the first content whose digest is not below these bytes. */
  #firstFrom(bytes: Uint8Array): number {
    let low = 0;
    let high = this.#totals.contents;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (compareBytes(this.#digestAt(middle), bytes) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #digestAt(index: number): Uint8Array {
    return this.#contents.read(this.#contentOffset(index), CHUNK_ROW_SIZE);
  }

  #contentOffset(index: number): number {
    if (!(index >= 0 && index < this.#totals.contents)) {
      throw this.#contents.fail(this.#contentTable, `there is no content ${index}`);
    }
    return this.#contentTable + CONTENT_ROW_SIZE * index;
  }

  #chunkAt(content: ContentSummary, row: number): Chunk {
    const plainOffset = this.#chunkTable + CHUNK_ROW_SIZE * row;
    const plain = this.#contents.view(plainOffset, CHUNK_ROW_SIZE);
    const plainDigest = bytesAt(plain, 0, CHUNK_ROW_SIZE);
    const offset = CHUNKS_HEADER_SIZE + LOCATION_ROW_SIZE * row;
    const view = this.#chunks.view(offset, LOCATION_ROW_SIZE);
    const codec = view.getUint8(LOCATION_ROW.codec);
    const idSize = view.getUint8(LOCATION_ROW.idSize);
    // The identity decides; a location that disagrees would show data of something else.
    const expected = absentCodecOf(plainDigest);
    if (expected !== undefined) {
      if (codec !== expected) throw this.#chunks.fail(offset, 'codec does not fit the chunk');
      return { codec: expected, id: NO_BYTES, plainDigest: NO_BYTES, storedSize: 0 };
    }
    if (!isDataCodec(codec) || (idSize !== 16 && idSize !== 32)) {
      throw this.#chunks.fail(offset, 'bad chunk row');
    }
    return {
      codec,
      id: bytesAt(view, LOCATION_ROW.id, idSize),
      plainDigest: plainDigest.subarray(0, digestSizeOf(content.algorithm)),
      storedSize: view.getUint32(LOCATION_ROW.storedSize, true),
    };
  }
}

function readContentsHeader(file: IndexFile): ContentsTotals {
  const view = checkStart(file, CONTENTS_MAGIC, CONTENTS_HEADER_SIZE);
  const number = (offset: number): number => {
    const value = getUint64(view, offset);
    if (value === undefined) throw file.fail(offset, 'a number exceeds 2^53');
    return value;
  };
  const totals = {
    inodes: number(CONTENTS_HEADER.inodeCount),
    contents: number(CONTENTS_HEADER.contentCount),
    chunks: number(CONTENTS_HEADER.chunkCount),
    fileBytes: number(CONTENTS_HEADER.fileBytes),
    contentBytes: number(CONTENTS_HEADER.contentBytes),
  };
  const offsets = contentsOffsets(totals);
  const isSound =
    number(CONTENTS_HEADER.inodeTable) === offsets.inodeTable &&
    number(CONTENTS_HEADER.contentTable) === offsets.contentTable &&
    number(CONTENTS_HEADER.chunkTable) === offsets.chunkTable &&
    file.size === offsets.size;
  if (!isSound) throw file.fail(CONTENTS_HEADER.inodeTable, 'tables do not fit the file');
  return totals;
}

function checkChunksHeader(file: IndexFile, chunkCount: number): void {
  const view = checkStart(file, CHUNKS_MAGIC, CHUNKS_HEADER_SIZE);
  const isSound =
    getUint64(view, CHUNKS_HEADER.chunkCount) === chunkCount &&
    file.size === CHUNKS_HEADER_SIZE + LOCATION_ROW_SIZE * chunkCount;
  if (!isSound) throw file.fail(CHUNKS_HEADER.chunkCount, 'chunk count does not fit');
}

/** Both headers begin with a magic, a version and their own size. */
function checkStart(file: IndexFile, magic: Uint8Array, headerSize: number): DataView {
  const view = file.view(0, headerSize);
  if (compareBytes(bytesAt(view, 0, magic.length), magic) !== 0) throw file.fail(0, 'bad magic');
  const version = view.getUint32(CONTENTS_HEADER.version, true);
  if (version > FORMAT_VERSION) throw file.failVersion(version);
  if (version !== FORMAT_VERSION) throw file.fail(CONTENTS_HEADER.version, 'bad version');
  if (view.getUint32(CONTENTS_HEADER.headerSize, true) !== headerSize) {
    throw file.fail(CONTENTS_HEADER.headerSize, 'bad header size');
  }
  return view;
}

/** A copy, since a source's bytes live only until its next read. */
function bytesAt(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
}
