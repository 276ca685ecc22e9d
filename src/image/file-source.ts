/**
 * Random access to a file of a mount index on disk, through a few cached pages, so that looking into a
 * large flist does not load it. Synchronous and for one reader, like every `ByteSource`.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { G8Error, toG8Error } from '../base/errors.ts';
import { type ByteSource, bufferSource } from '../format/index/source.ts';

/** Large enough that a walk in file order reads in big steps. */
export const PAGE_SIZE = 64 * 1024;
/** For tables that are read in no order: a row, and a little around it. */
export const SMALL_PAGE_SIZE = 4 * 1024;
/** The inode area, the directory blocks and the tables of a walk each keep their place in it. */
const CACHE_SIZE = 8 * 1024 * 1024;

export interface FileSource extends ByteSource {
  /** Idempotent; a read afterwards fails with ERR_ABORTED. */
  close(): void;
}

/** @throws ERR_NO_INPUT, ERR_IO */
export function openFileSource(path: string, pageSize = PAGE_SIZE): FileSource {
  try {
    const fd = openSync(path, 'r');
    return new PagedFile(path, fd, fstatSync(fd).size, pageSize);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${path} cannot be opened`);
  }
}

/** Above this even a file that is wanted in memory is read in pages. */
const RESIDENT_SIZE_MAX = 512 * 1024 * 1024;

/**
 * A file as a whole in memory, for those who read all of it in no order.
 *
 * @throws ERR_NO_INPUT, ERR_IO
 */
export function openResidentSource(path: string): FileSource {
  const file = openFileSource(path, SMALL_PAGE_SIZE);
  if (file.size > RESIDENT_SIZE_MAX) return file;
  try {
    const bytes = file.read(0, file.size);
    return { ...bufferSource(bytes), close: () => undefined };
  } finally {
    file.close();
  }
}

class PagedFile implements FileSource {
  readonly size: number;
  readonly #path: string;
  readonly #fd: number;
  readonly #pageSize: number;
  // In order of last use: a Map keeps the order of insertion.
  readonly #pages = new Map<number, Uint8Array<ArrayBuffer>>();
  #lastNumber = -1;
  #lastPage = new Uint8Array(0);
  #isOpen = true;

  constructor(path: string, fd: number, size: number, pageSize: number) {
    this.#pageSize = pageSize;
    this.#path = path;
    this.#fd = fd;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    const pageSize = this.#pageSize;
    const first = Math.floor(offset / pageSize);
    const within = offset - first * pageSize;
    const page = this.#page(first);
    if (within + length <= page.length) return page.subarray(within, within + length);
    const bytes = new Uint8Array(length);
    if (length > pageSize) return this.#fill(bytes, offset);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const number = Math.floor(at / this.#pageSize);
      const piece = this.#page(number).subarray(at - number * this.#pageSize);
      if (piece.length === 0) throw new G8Error('ERR_IO', `${this.#path} is shorter than it was`);
      bytes.set(piece.subarray(0, length - done), done);
      done += piece.length;
    }
    return bytes;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#pages.clear();
    this.#lastNumber = -1;
    closeSync(this.#fd);
  }

  #page(number: number): Uint8Array {
    // Most reads are where the last one was.
    if (number === this.#lastNumber) return this.#lastPage;
    this.#lastPage = this.#takePage(number);
    this.#lastNumber = number;
    return this.#lastPage;
  }

  #takePage(number: number): Uint8Array<ArrayBuffer> {
    let page = this.#pages.get(number);
    if (page !== undefined) this.#pages.delete(number);
    else page = this.#load(number);
    this.#pages.set(number, page);
    if (this.#pages.size > CACHE_SIZE / this.#pageSize) {
      const [oldest] = this.#pages.keys();
      this.#pages.delete(oldest as number);
    }
    return page;
  }

  #load(number: number): Uint8Array<ArrayBuffer> {
    return this.#fill(new Uint8Array(this.#pageSize), number * this.#pageSize);
  }

  #fill(bytes: Uint8Array<ArrayBuffer>, offset: number): Uint8Array<ArrayBuffer> {
    // The number may be another file's by now.
    if (!this.#isOpen) throw new G8Error('ERR_ABORTED', `${this.#path} is closed`);
    try {
      return bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, offset));
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `${this.#path} cannot be read`);
    }
  }
}
