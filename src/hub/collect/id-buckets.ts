/**
 * A set of chunk ids that need not fit into memory: files in a folder, one for each first byte of an id.
 *
 * Whatever is done with such sets is done bucket by bucket, so what has to be in memory at a time is a 256th
 * of it: 20 MB for ten million ids. An id may come many times and be in a file a few times.
 */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import { toG8Error } from '../../base/errors.ts';
import { chunkIdBytes } from '../../store/chunk-id.ts';
import type { ChunkId } from '../../store/store.ts';

export const BUCKET_COUNT = 256;

/** An id with its length in front, padded, and what the user of the set puts behind it. */
const ID_SIZE = 33;
/** Bytes of a bucket that wait in memory: 4 MiB for all. */
const PENDING_SIZE = 16 * 1024;
/** A file is freed of what is in it twice when it has grown to this, and then to twice what was left. */
const COMPACT_SIZE = 1024 * 1024;

interface Bucket {
  pending: Uint8Array;
  used: number;
  size: number;
  compactAt: number;
}

export class IdBuckets {
  readonly #folder: string;
  readonly #name: string;
  readonly #rowSize: number;
  readonly #buckets: Bucket[];

  /** @param extraSize bytes that go with each id, the same for all */
  constructor(folder: string, name: string, extraSize = 0) {
    this.#folder = folder;
    this.#name = name;
    this.#rowSize = ID_SIZE + extraSize;
    const pendingSize = Math.floor(PENDING_SIZE / this.#rowSize) * this.#rowSize;
    this.#buckets = Array.from({ length: BUCKET_COUNT }, () => ({
      pending: new Uint8Array(pendingSize),
      used: 0,
      size: 0,
      compactAt: COMPACT_SIZE,
    }));
  }

  async add(id: ChunkId, extra?: Uint8Array): Promise<void> {
    const bytes = chunkIdBytes(id);
    const index = bytes[0] as number;
    const bucket = this.#buckets[index] as Bucket;
    if (bucket.used === bucket.pending.length) await this.#flush(index);
    bucket.pending.fill(0, bucket.used, bucket.used + this.#rowSize);
    bucket.pending[bucket.used] = bytes.length;
    bucket.pending.set(bytes, bucket.used + 1);
    if (extra !== undefined) bucket.pending.set(extra, bucket.used + ID_SIZE);
    bucket.used += this.#rowSize;
  }

  /** The ids of a bucket; with extra bytes, one may come several times with different ones. */
  async *rows(index: number): AsyncGenerator<{ id: ChunkId; extra: Uint8Array }, void, void> {
    await this.#flush(index);
    const bytes = await this.#read(index);
    for (const row of distinctRows(bytes, this.#rowSize)) {
      const id = toHex(row.subarray(1, 1 + (row[0] as number)));
      yield { id, extra: row.subarray(ID_SIZE) };
    }
  }

  async ids(index: number): Promise<Set<ChunkId>> {
    await this.#flush(index);
    const bytes = await this.#read(index);
    const ids = new Set<ChunkId>();
    for (let at = 0; at < bytes.length; at += this.#rowSize) {
      ids.add(toHex(bytes.subarray(at + 1, at + 1 + (bytes[at] as number))));
    }
    return ids;
  }

  async #flush(index: number): Promise<void> {
    const bucket = this.#buckets[index] as Bucket;
    if (bucket.used === 0) return;
    try {
      await appendFile(this.#path(index), bucket.pending.subarray(0, bucket.used), { mode: 0o600 });
      bucket.size += bucket.used;
      bucket.used = 0;
      if (bucket.size < bucket.compactAt) return;
      const rows = [...distinctRows(await this.#read(index), this.#rowSize)];
      await writeFile(this.#path(index), Buffer.concat(rows));
      bucket.size = rows.length * this.#rowSize;
      bucket.compactAt = Math.max(COMPACT_SIZE, 2 * bucket.size);
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `Cannot write to ${this.#folder}`);
    }
  }

  async #read(index: number): Promise<Uint8Array> {
    if ((this.#buckets[index] as Bucket).size === 0) return new Uint8Array(0);
    return await readFile(this.#path(index));
  }

  #path(index: number): string {
    return join(this.#folder, `${this.#name}.${index.toString(16).padStart(2, '0')}`);
  }
}

function* distinctRows(bytes: Uint8Array, rowSize: number): Generator<Uint8Array> {
  const seen = new Set<string>();
  for (let at = 0; at + rowSize <= bytes.length; at += rowSize) {
    const row = bytes.subarray(at, at + rowSize);
    const text = Buffer.from(row.buffer, row.byteOffset, row.length).toString('latin1');
    if (seen.has(text)) continue;
    seen.add(text);
    yield row;
  }
}
