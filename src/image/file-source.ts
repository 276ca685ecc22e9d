/**
 * Random access to a file of a mount index on disk, through a few cached pages, so that looking into a
 * large flist does not load it. Synchronous and for one reader, like every `ByteSource`.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { ByteSource } from '../format/index/source.ts';

/** Large enough that a walk in file order reads in big steps. */
const PAGE_SIZE = 64 * 1024;
/** 8 MiB in all: the inode area, the directory blocks and the tables of a walk each keep their place. */
const PAGES_MAX = 128;

export interface FileSource extends ByteSource {
  /** Idempotent. */
  close(): void;
}

/** @throws ERR_NO_INPUT, ERR_IO */
export function openFileSource(path: string): FileSource {
  try {
    const fd = openSync(path, 'r');
    return new PagedFile(path, fd, fstatSync(fd).size);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${path} cannot be opened`);
  }
}

class PagedFile implements FileSource {
  readonly size: number;
  readonly #path: string;
  readonly #fd: number;
  // In order of last use: a Map keeps the order of insertion.
  readonly #pages = new Map<number, Uint8Array<ArrayBuffer>>();
  #lastNumber = -1;
  #lastPage = new Uint8Array(0);
  #isOpen = true;

  constructor(path: string, fd: number, size: number) {
    this.#path = path;
    this.#fd = fd;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    const first = Math.floor(offset / PAGE_SIZE);
    const within = offset - first * PAGE_SIZE;
    const page = this.#page(first);
    if (within + length <= page.length) return page.subarray(within, within + length);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const number = Math.floor(at / PAGE_SIZE);
      const piece = this.#page(number).subarray(at - number * PAGE_SIZE);
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
    if (this.#pages.size > PAGES_MAX) {
      const [oldest] = this.#pages.keys();
      this.#pages.delete(oldest as number);
    }
    return page;
  }

  #load(number: number): Uint8Array<ArrayBuffer> {
    const page = new Uint8Array(PAGE_SIZE);
    try {
      return page.subarray(0, readSync(this.#fd, page, 0, PAGE_SIZE, number * PAGE_SIZE));
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `${this.#path} cannot be read`);
    }
  }
}
