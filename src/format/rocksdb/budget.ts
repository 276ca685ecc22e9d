/**
 * Bounds on the work that a database can demand: how much one pass may decode, and how much decoded
 * data is kept. A budget belongs to one pass, the cache to one database.
 */
import { LRUCache } from 'lru-cache';
import { formatError } from './input.ts';

/**
 * Plain bytes of all blocks and keys of one pass over a database. An image of ten million files has
 * about 2 GB of records; compressed blocks could otherwise stand for 65 536 times their size.
 */
export const DECODED_BYTES_MAX = 4 * 1024 ** 3;

/** Decoded blocks that lookups keep: a few thousand of the usual 4 KiB. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;

export class Budget {
  #left = DECODED_BYTES_MAX;

  /** @throws ERR_FLIST_FORMAT when the pass has decoded more than {@link DECODED_BYTES_MAX} */
  spend(bytes: number, file: string, offset: number): void {
    this.#left -= bytes;
    if (this.#left < 0) {
      throw formatError(file, offset, `makes one pass decode more than ${DECODED_BYTES_MAX} bytes`);
    }
  }
}

export class BlockCache {
  readonly #blocks = new LRUCache<string, Uint8Array>({
    maxSize: CACHE_BYTES_MAX,
    sizeCalculation: (block) => block.length + 64,
  });

  get(file: string, offset: number): Uint8Array | undefined {
    return this.#blocks.get(`${file}:${offset}`);
  }

  set(file: string, offset: number, block: Uint8Array): void {
    this.#blocks.set(`${file}:${offset}`, block);
  }
}
