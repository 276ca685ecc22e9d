/**
 * Reads a content through a store: chunks in order, several fetched ahead, each verified before it is
 * handed out. Each call is on its own.
 */

import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { CODEC } from '../base/codec.ts';
import { G8Error } from '../base/errors.ts';
import type { Chunk, Content } from '../format/content.ts';
import type { CodecBinding } from '../native/addon.ts';
import type { ChunkStore } from '../store/store.ts';

/** Chunks in progress: hides a network's latency and stays below 32 MiB of the largest chunks. */
const AHEAD_MAX = 8;

export interface ReadOptions {
  readonly store: ChunkStore;
  readonly codec: CodecBinding;
  readonly signal?: AbortSignal | undefined;
}

/** A part of a content; what exceeds it is left out. */
export interface ReadRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * The bytes of a part of a content: only the chunks that have some of them are fetched.
 *
 * @throws as {@link readContent}
 */
export async function* readRange(
  content: Content,
  { offset, length }: ReadRange,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const { blockSize } = content;
  const end = Math.min(content.size, offset + length);
  if (offset >= end) return;
  const first = Math.floor(offset / blockSize);
  const last = Math.ceil(end / blockSize);
  const chunks = content.chunks.slice(first, last);
  const start = first * blockSize;
  const size = Math.min(content.size, last * blockSize) - start;
  let at = start;
  for await (const piece of readContent({ ...content, size, chunks }, options)) {
    yield piece.subarray(Math.max(0, offset - at), Math.min(piece.length, end - at));
    at += piece.length;
  }
}

/**
 * The bytes of a content.
 *
 * @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT naming the chunk; what the store throws
 */
export async function* readContent(
  content: Content,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const controller = new AbortController();
  const signal =
    options.signal === undefined
      ? controller.signal
      : AbortSignal.any([options.signal, controller.signal]);
  const pending: Promise<Uint8Array>[] = [];
  // A broken flist names fewer chunks than this: then reading fails, and does not end early.
  const count = Math.ceil(content.size / content.blockSize);
  try {
    for (let i = 0; i < count || pending.length > 0; ) {
      while (pending.length < AHEAD_MAX && i < count) {
        const size = Math.min(content.blockSize, content.size - i * content.blockSize);
        const reading = readChunk(content.chunks[i], size, options, signal);
        // It is awaited later; until then a failure is not an unhandled one.
        reading.catch(() => {});
        pending.push(reading);
        i++;
      }
      throwIfAborted(options.signal);
      yield await (pending.shift() as Promise<Uint8Array>);
    }
  } finally {
    controller.abort();
    await Promise.allSettled(pending);
  }
}

/**
 * The bytes of one chunk.
 *
 * @param chunk `undefined` for one that a broken flist does not name
 * @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT; what the store throws
 */
export async function readChunk(
  chunk: Chunk | undefined,
  plainSize: number,
  { store, codec }: ReadOptions,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (chunk?.codec === CODEC.hole) return new Uint8Array(plainSize);
  if (chunk === undefined || chunk.id.length === 0) {
    throw new G8Error('ERR_CHUNK_MISSING', 'The flist does not say where a chunk of this file is');
  }
  const stored = await store.get(toHex(chunk.id), signal === undefined ? {} : { signal });
  const { codec: packed, id, plainDigest } = chunk;
  return codec.decodeChunk({ stored, codec: packed, id, plainDigest, plainSize });
}
