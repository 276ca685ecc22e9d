/**
 * One pass over all contents of a mount index and their chunks, in the order of the files and without an
 * object for each: what commands over a whole image count with. Checks what `ContentsReader` checks, and
 * that contents are in order. For one reader at a time.
 */
import { compareShort } from '../../base/bytes.ts';
import { CODEC, type Codec, type DigestAlgorithm } from '../../base/codec.ts';
import {
  CHUNKS_HEADER_SIZE,
  CONTENT_ROW,
  CONTENT_ROW_SIZE,
  LOCATION_ROW,
  LOCATION_ROW_SIZE,
} from './contents-format.ts';
import { absentCodecOf, type ContentsTotals, isDataCodec, isSoundContent } from './contents-row.ts';
import { RowWindow } from './row-window.ts';
import { getUint64, type IndexFile } from './source.ts';

const DIGEST_SIZE = 32;
const ID_WORDS = 8;

export interface ScanFiles {
  readonly contents: IndexFile;
  readonly chunks: IndexFile;
  readonly totals: ContentsTotals;
  readonly contentTable: number;
  readonly chunkTable: number;
}

export class ContentsScan {
  /** Of the content where the scan is. */
  index = -1;
  size = 0;
  blockSize = 0;
  algorithm = 0 as DigestAlgorithm;
  firstChunk = 0;
  chunkCount = 0;
  dataBytes = 0;
  /** Of the chunk where the scan is. */
  codec: Codec = CODEC.hole;
  storedSize = 0;
  /** Chunk id, padded with zeros; of holes and lost chunks what was there before. */
  readonly id = new Uint32Array(ID_WORDS);
  readonly #files: ScanFiles;
  readonly #contents: RowWindow;
  readonly #plain: RowWindow;
  readonly #locations: RowWindow;
  readonly #digests = [new Uint8Array(DIGEST_SIZE), new Uint8Array(DIGEST_SIZE)] as const;
  #chunk = 0;
  #end = 0;

  constructor(files: ScanFiles) {
    const { contents, chunks, totals, contentTable, chunkTable } = files;
    this.#files = files;
    this.#contents = new RowWindow(contents, contentTable, CONTENT_ROW_SIZE, totals.contents);
    this.#plain = new RowWindow(contents, chunkTable, DIGEST_SIZE, totals.chunks);
    this.#locations = new RowWindow(chunks, CHUNKS_HEADER_SIZE, LOCATION_ROW_SIZE, totals.chunks);
  }

  /** Digest of the content; overwritten by the second {@link next} from here. */
  get digest(): Uint8Array {
    return this.#digests[this.index & 1] as Uint8Array;
  }

  /**
   * Goes to the next content; false behind the last one.
   *
   * @throws ERR_FLIST_FORMAT
   */
  next(): boolean {
    const { totals } = this.#files;
    if (this.index + 1 >= totals.contents) return false;
    const previous = this.digest;
    this.index++;
    const row = this.#contents.seek(this.index);
    const { view, bytes } = this.#contents;
    this.size = getUint64(view, row + CONTENT_ROW.size) ?? 0;
    this.firstChunk = getUint64(view, row + CONTENT_ROW.firstChunk) ?? Number.NaN;
    this.chunkCount = view.getUint32(row + CONTENT_ROW.chunkCount, true);
    this.blockSize = 2 ** view.getUint8(row + CONTENT_ROW.blockSizeBits);
    this.algorithm = view.getUint8(row + CONTENT_ROW.algorithm) as DigestAlgorithm;
    this.dataBytes = getUint64(view, row + CONTENT_ROW.dataBytes) ?? Number.NaN;
    if (!isSoundContent(this, totals.chunks)) throw this.#fail('bad content row');
    // So that the chunks of all are no more than there are.
    if (this.firstChunk !== this.#end) throw this.#fail('chunks do not follow each other');
    const { digest } = this;
    for (let i = 0; i < DIGEST_SIZE; i++) digest[i] = bytes[row + CONTENT_ROW.digest + i] as number;
    if (this.index > 0 && compareShort(previous, digest) >= 0) {
      throw this.#fail('contents are out of order');
    }
    this.#chunk = this.firstChunk;
    this.#end = this.firstChunk + this.chunkCount;
    return true;
  }

  /**
   * Goes to the next chunk of the content; false behind the last one.
   *
   * @throws ERR_FLIST_FORMAT
   */
  nextChunk(): boolean {
    if (this.#chunk >= this.#end) return false;
    const row = this.#chunk++;
    const plain = this.#plain.seek(row);
    const offset = this.#locations.seek(row);
    const { view, words } = this.#locations;
    const codec = view.getUint8(offset + LOCATION_ROW.codec);
    // The identity decides; a location that disagrees would show data of something else.
    const expected = absentCodecOf(this.#plain.words, plain / 4);
    if (expected !== undefined) {
      if (codec !== expected) throw this.#failChunk(row, 'codec does not fit the chunk');
      this.codec = expected;
      this.storedSize = 0;
      return true;
    }
    const idSize = view.getUint8(offset + LOCATION_ROW.idSize);
    if (!isDataCodec(codec) || (idSize !== 16 && idSize !== 32)) {
      throw this.#failChunk(row, 'bad chunk row');
    }
    this.codec = codec;
    this.storedSize = view.getUint32(offset + LOCATION_ROW.storedSize, true);
    const first = (offset + LOCATION_ROW.id) / 4;
    for (let i = 0; i < ID_WORDS; i++) {
      this.id[i] = i * 4 < idSize ? (words[first + i] as number) : 0;
    }
    return true;
  }

  /** Whether the chunk has bytes in a store. */
  get isStored(): boolean {
    return this.codec !== CODEC.hole && this.codec !== CODEC.lost;
  }

  #fail(reason: string): Error {
    const { contents, contentTable } = this.#files;
    return contents.fail(contentTable + CONTENT_ROW_SIZE * this.index, reason);
  }

  #failChunk(row: number, reason: string): Error {
    return this.#files.chunks.fail(CHUNKS_HEADER_SIZE + LOCATION_ROW_SIZE * row, reason);
  }
}
