/**
 * Packages (`.flist` files) as pieces in the chunk backend, so that every hub over it serves the same.
 *
 * A piece is a chunk like any other, under the BLAKE2b-256 of its bytes; the catalogue lists the pieces of a
 * package. A package appears with its record, complete or not at all; pieces of an upload that broke off are
 * what the garbage collection takes.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { blake2b, blake2b256Stream } from '../base/blake2b.ts';
import { toHex } from '../base/bytes.ts';
import { chunkMatches, corruptError, type DigestFunction } from '../store/chunk-id.ts';
import { PIECE_SIZE } from '../store/hub-protocol.ts';
import type { ChunkId, WritableChunkStore } from '../store/store.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { PACKAGE, type PackageRecord } from './catalogue/records.ts';
import { assertPackage, HEAD_SIZE } from './package-head.ts';

export interface SavedPackage {
  /** BLAKE2b-256 of the whole, hex: what an entry names it by. */
  readonly digest: string;
  readonly md5: string;
  readonly size: number;
  /** Whether it was not here before. */
  readonly isNew: boolean;
}

export interface SaveLimit {
  readonly sizeMax: number;
  /** What to throw above it. */
  readonly tooLarge: () => Error;
  /** Takes any bytes, not only flists. Default false. */
  readonly isAnything?: boolean;
  /** Stores a piece, default in the backend without more ado (`keep-chunk.ts`). */
  readonly keep?: (id: ChunkId, bytes: Uint8Array) => Promise<unknown>;
}

export class PackageStore {
  readonly #catalogue: Catalogue;
  readonly #chunks: WritableChunkStore;
  readonly #digest: DigestFunction;

  constructor(options: {
    catalogue: Catalogue;
    chunks: WritableChunkStore;
    digest?: DigestFunction | undefined;
  }) {
    this.#catalogue = options.catalogue;
    this.#chunks = options.chunks;
    this.#digest = options.digest ?? blake2b;
  }

  /**
   * Saves what `source` gives. Saving the same bytes again begins the grace period of a package to which no
   * entry refers anew.
   *
   * @throws ERR_FLIST_FORMAT when it is no gzip, zstd or plain tar; `tooLarge()` above `sizeMax` bytes
   */
  async save(source: AsyncIterable<Uint8Array>, limit: SaveLimit): Promise<SavedPackage> {
    const md5 = createHash('md5');
    const digest = blake2b256Stream();
    const pieces: string[] = [];
    let size = 0;
    for await (const piece of piecesOf(source, limit)) {
      if (size === 0 && limit.isAnything !== true) {
        await assertPackage(piece.subarray(0, HEAD_SIZE));
      }
      size += piece.length;
      md5.update(piece);
      digest.update(piece);
      const id = toHex(await this.#digest(piece, 32));
      await (limit.keep?.(id, piece) ?? this.#chunks.put(id, piece));
      pieces.push(id);
    }
    if (size === 0 && limit.isAnything !== true) await assertPackage(new Uint8Array(0));
    const saved = { digest: toHex(digest.digest()), md5: md5.digest('hex'), size };
    const isNew = await this.#catalogue.transaction(async (transaction) => {
      const present = await transaction.get(PACKAGE, saved.digest);
      const record = { size, md5: saved.md5, pieces, saved: Date.now() };
      transaction.put(PACKAGE, [saved.digest], record);
      return present === undefined;
    });
    return { ...saved, isNew };
  }

  /** What a package consists of; `undefined` when it is not here. */
  async find(digest: string): Promise<PackageRecord | undefined> {
    return await this.#catalogue.get(PACKAGE, digest);
  }

  /**
   * Bytes of a package, `end` not included; each piece is verified. It fails in the middle when a piece
   * cannot be read (ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT, and what the backend throws).
   */
  read(saved: PackageRecord, start = 0, end = saved.size): Readable {
    return Readable.from(this.#bytes(saved, start, end), { objectMode: false });
  }

  async *#bytes(
    saved: PackageRecord,
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array, void, void> {
    for (let at = start; at < end; ) {
      const index = Math.floor(at / PIECE_SIZE);
      const base = index * PIECE_SIZE;
      const id = saved.pieces[index] ?? '';
      const piece = await this.#chunks.get(id);
      if (!(await chunkMatches(id, piece, this.#digest))) {
        throw corruptError(id, this.#chunks.name, 'does not match its digest');
      }
      yield piece.subarray(at - base, end - base);
      at = base + PIECE_SIZE;
    }
  }
}

/** Cuts a stream. */
async function* piecesOf(
  source: AsyncIterable<Uint8Array>,
  { sizeMax, tooLarge }: SaveLimit,
): AsyncGenerator<Uint8Array, void, void> {
  let piece = Buffer.allocUnsafe(PIECE_SIZE);
  let filled = 0;
  let size = 0;
  for await (const bytes of source) {
    size += bytes.length;
    if (size > sizeMax) throw tooLarge();
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PIECE_SIZE - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < PIECE_SIZE) continue;
      yield piece;
      // Not the same one: a store may still hold what it was given.
      piece = Buffer.allocUnsafe(PIECE_SIZE);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
