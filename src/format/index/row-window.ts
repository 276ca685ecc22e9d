/**
 * Rows of a table in a file of a mount index, many at a time: for passes over millions of them, where a
 * view for each row would cost more than reading it. Good for rows in order, bad for any other.
 */
import type { IndexFile } from './source.ts';

/** Rows read at once: 64 KiB of the widest ones. */
const ROWS_AT_ONCE = 1024;

export class RowWindow {
  /** The rows that are here, in all forms. Only until the next {@link seek}. */
  bytes = new Uint8Array(0);
  words = new Uint32Array(0);
  view = new DataView(this.bytes.buffer);
  readonly #file: IndexFile;
  readonly #start: number;
  readonly #rowSize: number;
  readonly #count: number;
  #first = 0;
  #end = 0;

  /** @param rowSize a multiple of 4 */
  constructor(file: IndexFile, start: number, rowSize: number, count: number) {
    this.#file = file;
    this.#start = start;
    this.#rowSize = rowSize;
    this.#count = count;
  }

  /**
   * Makes a row available.
   *
   * @param row below the count
   * @returns its offset in bytes
   * @throws ERR_FLIST_FORMAT
   */
  seek(row: number): number {
    if (row < this.#first || row >= this.#end) this.#load(row);
    return (row - this.#first) * this.#rowSize;
  }

  #load(row: number): void {
    const first = row - (row % ROWS_AT_ONCE);
    const end = Math.min(this.#count, first + ROWS_AT_ONCE);
    const offset = this.#start + first * this.#rowSize;
    // A copy: its memory is aligned to words and stays as it is.
    this.bytes = this.#file.read(offset, (end - first) * this.#rowSize).slice();
    this.words = new Uint32Array(this.bytes.buffer);
    this.view = new DataView(this.bytes.buffer);
    this.#first = first;
    this.#end = end;
  }
}
