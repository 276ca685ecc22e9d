/** A package's records in memory: for contents listings, settings, checks and merging. */

import { blake2bReady } from '../base/blake2b.ts';
import { G8Error } from '../base/errors.ts';
import { Limiter } from '../base/limit.ts';
import { type Flist, readFlist } from '../format/flist/open.ts';
import { MEMBER, unpackFlist } from '../format/flist/package.ts';
import { decodeStream } from '../image/decompress.ts';
import type { StreamBinding } from '../native/addon.ts';

/** What a mount reads; the records say the same. */
const INDEX_MEMBERS: readonly string[] = [MEMBER.erofs, MEMBER.contents, MEMBER.chunks];
// Records and what is made of them are a multiple of their size in memory: few at a time.
const READ_COUNT_MAX = 2;
const QUEUE_COUNT_MAX = 64;

export interface RecordsReaderOptions {
  /** Bytes of records of one flist. */
  readonly sizeMax: number;
  /** Decoders for packages of zstd, which are refused without. */
  readonly streams: StreamBinding | undefined;
}

export class RecordsReader {
  readonly #options: RecordsReaderOptions;
  readonly #limiter = new Limiter({
    shares: [READ_COUNT_MAX],
    queueCountMax: QUEUE_COUNT_MAX,
  });

  constructor(options: RecordsReaderOptions) {
    this.#options = options;
  }

  /**
   * Reads a package and works on it; when `work` is done, it is out of memory again. Few run at a time, the
   * others wait.
   *
   * @throws ERR_FLIST_FORMAT when it is none or too large, ERR_STORE_UNAVAILABLE when too many wait, what the
   *   source and `work` throw
   */
  async with<T>(
    source: () => Promise<AsyncIterable<Uint8Array>> | AsyncIterable<Uint8Array>,
    work: (flist: Flist) => Promise<T> | T,
  ): Promise<T> {
    return await this.run(async () => await work(await this.read(await source())));
  }

  /** Runs work that reads packages into memory: few at a time, the others wait. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    return await this.#limiter.run(work, { priority: 0 });
  }

  /** Reads a package, within {@link run}. */
  async read(source: AsyncIterable<Uint8Array>): Promise<Flist> {
    const { sizeMax, streams } = this.#options;
    const members = new Map<string, Uint8Array>();
    let total = 0;
    await blake2bReady();
    await unpackFlist(
      source,
      async (name, size, body) => {
        // The name alone tells the generation.
        if (INDEX_MEMBERS.includes(name)) {
          members.set(name, new Uint8Array(0));
          return;
        }
        total += size;
        if (total > sizeMax) {
          throw new G8Error('ERR_FLIST_FORMAT', `Records of the flist exceed ${sizeMax} bytes`);
        }
        const bytes = new Uint8Array(size);
        let filled = 0;
        for await (const piece of body) {
          bytes.set(piece, filled);
          filled += piece.length;
        }
        members.set(name, bytes);
      },
      streams && { zstdDecompress: (packed) => decodeStream('zstd-decode', packed, streams) },
    );
    return await readFlist(members);
  }
}
