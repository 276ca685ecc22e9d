/**
 * Bundles: a flist with its chunks in one file (docs/format.md, section 12), which is a plain tar. Writes
 * them as a stream with a few chunks in memory; takes flist and signature out again, verified.
 */

import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { stat } from 'node:fs/promises';
import { linkSignals } from '../base/abort.ts';
import { blake2b256Stream, blake2bReady } from '../base/blake2b.ts';
import { equalBytes, fromHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import {
  BUNDLE_INDEX_OFFSET,
  BUNDLE_MEMBER,
  type BundleEntry,
  bundleChunkName,
  bundleIndexSize,
  encodeBundleIndex,
} from '../format/bundle.ts';
import { SIGNATURE_FILE_SIZE_MAX } from '../format/signature.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../format/tar/write-header.ts';
import { BundleFile, isBundle } from '../store/bundle.ts';
import type { ChunkStore } from '../store/store.ts';
import { writeWholeFile } from './output.ts';

/** Chunks in progress: hides a network's latency and stays below 64 MiB of the largest chunks. */
const AHEAD_MAX = 16;

/** What `bundle.json` says, for people. */
export interface BundleInfo {
  readonly rootDigest: string;
  readonly chunks: number;
  /** Chunks of the image that are not in the bundle: left to its bases or stores. */
  readonly absentChunks: number;
  /** Root digests of the images that have them. */
  readonly bases: readonly string[];
}

export interface WriteBundleOptions {
  /** Path of the flist, taken as it is. */
  readonly flist: string;
  readonly signature: string | undefined;
  /** Ids of the chunks to take, each once, in this order. */
  readonly chunks: readonly string[];
  readonly info: BundleInfo;
  readonly store: ChunkStore;
  readonly signal?: AbortSignal | undefined;
  readonly onChunk?: ((storedSize: number) => void) | undefined;
}

/**
 * @param output file to write; one that is there is replaced
 * @returns bytes of the bundle
 * @throws ERR_CREATE; what the store throws. Nothing is left behind then.
 */
export async function writeBundle(output: string, options: WriteBundleOptions): Promise<number> {
  const { signal, unlink } = linkSignals(options.signal);
  const layout = new BundleLayout({ ...options, signal });
  try {
    return await writeWholeFile(output, layout.pieces(), signal, (file) => layout.finish(file));
  } finally {
    unlink();
  }
}

class BundleLayout {
  readonly #options: WriteBundleOptions;
  readonly #entries: BundleEntry[] = [];
  #position = 0;
  #flist = { offset: 0, size: 0, digest: new Uint8Array(0) };
  #signature = { offset: 0, size: 0 };

  constructor(options: WriteBundleOptions) {
    this.#options = options;
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#members()) {
      this.#position += piece.length;
      yield piece;
    }
  }

  /** Writes the index, whose place was kept free. */
  async finish(file: FileHandle): Promise<void> {
    const header = {
      chunkCount: this.#entries.length,
      fileSize: this.#position,
      flistOffset: this.#flist.offset,
      flistSize: this.#flist.size,
      flistDigest: this.#flist.digest,
      signatureOffset: this.#signature.offset,
      signatureSize: this.#signature.size,
    };
    const bytes = encodeBundleIndex(header, this.#entries);
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.write(
        bytes,
        done,
        bytes.length - done,
        BUNDLE_INDEX_OFFSET + done,
      );
      done += bytesWritten;
    }
  }

  async *#members(): AsyncGenerator<Uint8Array> {
    const { chunks, info, signature, flist } = this.#options;
    const indexSize = bundleIndexSize(chunks.length);
    yield header(BUNDLE_MEMBER.index, indexSize);
    yield* zeros(indexSize);
    yield* padding(indexSize);
    const text = Buffer.from(`${JSON.stringify({ bundle: 1, ...info }, undefined, 2)}\n`);
    yield* member(BUNDLE_MEMBER.info, text);
    yield* this.#flistMember(flist);
    if (signature !== undefined) {
      const bytes = Buffer.from(signature, 'latin1');
      yield header(BUNDLE_MEMBER.signature, bytes.length);
      this.#signature = { offset: this.#position, size: bytes.length };
      yield bytes;
      yield* padding(bytes.length);
    }
    yield* this.#chunkMembers();
    yield tarEnd();
  }

  async *#flistMember(path: string): AsyncGenerator<Uint8Array> {
    const { size } = await stat(path);
    yield header(BUNDLE_MEMBER.flist, size);
    const offset = this.#position;
    await blake2bReady();
    const digest = blake2b256Stream();
    let read = 0;
    for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
      digest.update(piece);
      read += piece.length;
      yield piece;
    }
    if (read !== size) throw new G8Error('ERR_IO', `${path} changed while it was read`);
    this.#flist = { offset, size, digest: new Uint8Array(digest.digest()) };
    yield* padding(size);
  }

  async *#chunkMembers(): AsyncGenerator<Uint8Array> {
    const { chunks, onChunk } = this.#options;
    for await (const [id, bytes] of this.#fetched(chunks)) {
      const raw = fromHex(id) as Uint8Array;
      yield header(bundleChunkName(raw), bytes.length);
      this.#entries.push({ id: raw, offset: this.#position, size: bytes.length });
      yield bytes;
      yield* padding(bytes.length);
      onChunk?.(bytes.length);
    }
  }

  /** In order, several at a time. */
  async *#fetched(ids: readonly string[]): AsyncGenerator<[string, Uint8Array]> {
    const { store, signal } = this.#options;
    const pending: Promise<Uint8Array>[] = [];
    let next = 0;
    try {
      for (const id of ids) {
        for (; next < ids.length && pending.length < AHEAD_MAX; next++) {
          const bytes = store.get(ids[next] as string, signal && { signal });
          // It is awaited later; until then a failure is not an unhandled one.
          bytes.catch(() => {});
          pending.push(bytes);
        }
        yield [id, await (pending.shift() as Promise<Uint8Array>)];
      }
    } finally {
      await Promise.allSettled(pending);
    }
  }
}

function header(name: string, size: number): Uint8Array {
  return encodeTarHeader({ typeflag: '0', name: Buffer.from(name), mode: 0o644, size });
}

function* padding(size: number): Generator<Uint8Array> {
  const bytes = tarPadding(size);
  if (bytes.length > 0) yield bytes;
}

function* member(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield header(name, bytes.length);
  yield bytes;
  yield* padding(bytes.length);
}

function* zeros(size: number): Generator<Uint8Array> {
  const piece = new Uint8Array(Math.min(size, 1024 * 1024));
  for (let left = size; left > 0; left -= piece.length) yield piece.subarray(0, left);
}

/**
 * Takes the flist out of a bundle.
 *
 * @throws ERR_FLIST_FORMAT when it is not the one that was put in; ERR_CREATE
 */
export async function extractFlist(
  bundle: BundleFile,
  output: string,
  signal?: AbortSignal,
): Promise<void> {
  const { flistOffset, flistSize, flistDigest } = bundle.header;
  async function* checked(): AsyncGenerator<Uint8Array> {
    await blake2bReady();
    const digest = blake2b256Stream();
    for await (const piece of bundle.pieces(flistOffset, flistSize)) {
      digest.update(piece);
      yield piece;
    }
    if (equalBytes(new Uint8Array(digest.digest()), flistDigest)) return;
    throw new G8Error('ERR_FLIST_FORMAT', `The flist in ${bundle.path} is damaged`);
  }
  await writeWholeFile(output, checked(), signal);
}

/** Text of the signature in a bundle; `undefined` when it has none. */
export async function bundleSignature(bundle: BundleFile): Promise<string | undefined> {
  const { signatureOffset, signatureSize } = bundle.header;
  if (signatureSize === 0 || signatureSize > SIGNATURE_FILE_SIZE_MAX) return undefined;
  return Buffer.from(await bundle.read(signatureOffset, signatureSize)).toString('latin1');
}

/** Opens a bundle for the time of `use`; `undefined` when the file is none. */
export async function withBundle<T>(
  path: string,
  use: (bundle: BundleFile) => Promise<T>,
): Promise<T | undefined> {
  if (/^https?:\/\//i.test(path) || !(await isBundle(path))) return undefined;
  const bundle = await BundleFile.open(path);
  try {
    return await use(bundle);
  } finally {
    await bundle.close();
  }
}
