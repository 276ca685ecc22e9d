/**
 * Large flists to a hub in pieces, which are chunks there: an upload that was cut goes on where it was, because
 * pieces that are there are not sent again.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { blake2b, blake2bReady } from '../base/blake2b.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import type { TransferOptions } from './flist-transfer.ts';
import { readJson } from './http-answer.ts';
import type { HttpClient } from './http-client.ts';
import { type HubChunk, parseAnswer } from './hub-chunks.ts';
import { type FlistReceipt, flistReceipt, JSON_SIZE_MAX, PIECE_SIZE } from './hub-protocol.ts';
import type { ChunkId, ChunkStore, StoreCallOptions } from './store.ts';
import type { UploadResult } from './upload-chunks.ts';

/** Smaller ones are sent in one request: sending them again costs little. */
export const LARGE_FLIST_SIZE: number = 8 * PIECE_SIZE;
/** Of publishing: the hub reads a GiB in less. */
const PUBLISH_TIMEOUT_MS = 600_000;
/** A collection at the hub without a grace period may take pieces from under an upload; not for ever. */
const ATTEMPT_COUNT = 3;

/** What takes the pieces. */
export interface PieceTarget {
  readonly chunks: ChunkStore;
  uploadChunks(
    chunks: AsyncIterable<HubChunk>,
    options: StoreCallOptions,
  ): AsyncIterable<UploadResult>;
}

interface PiecesOptions extends TransferOptions {
  /** Of the flist below the client's base URL. */
  readonly path: string;
  /** File to upload. */
  readonly source: string;
}

/** Whether a file is worth being sent in pieces; one that cannot be read is not. */
export async function isLarge(source: string): Promise<boolean> {
  const file = await opened(source);
  try {
    return (await file.stat()).size >= LARGE_FLIST_SIZE;
  } finally {
    await file.close();
  }
}

/** @throws ERR_NO_INPUT, ERR_FLIST_FORMAT when the hub finds that it is no flist, ERR_PERMISSION */
export async function uploadInPieces(
  client: HttpClient,
  target: PieceTarget,
  options: PiecesOptions,
): Promise<FlistReceipt> {
  await blake2bReady();
  const file = await opened(options.source);
  try {
    const { size } = await file.stat();
    const pieces = await idsOf(file, size, options.source);
    for (let attempt = 1; ; attempt++) {
      await sendMissing(target, file, { ...options, pieces, size });
      const receipt = await publish(client, { ...options, pieces, size });
      if (receipt !== undefined) return receipt;
      if (attempt === ATTEMPT_COUNT) {
        throw new G8Error('ERR_PROTOCOL', `Hub ${client.name} loses pieces of ${options.source}`);
      }
    }
  } finally {
    await file.close();
  }
}

interface Pieces extends PiecesOptions {
  readonly pieces: readonly ChunkId[];
  readonly size: number;
}

async function idsOf(file: FileHandle, size: number, source: string): Promise<ChunkId[]> {
  const ids: ChunkId[] = [];
  for (let at = 0; at < size; at += PIECE_SIZE) {
    ids.push(toHex(blake2b(await pieceAt(file, size, at, source), 32)));
  }
  return ids;
}

async function sendMissing(
  target: PieceTarget,
  file: FileHandle,
  { pieces, size, source, signal, onProgress }: Pieces,
): Promise<void> {
  const call = signal === undefined ? {} : { signal };
  const missing = new Set(await target.chunks.missing([...new Set(pieces)], call));
  let done = size - missing.size * PIECE_SIZE;
  onProgress?.(Math.max(0, done), size);
  async function* chunks(): AsyncGenerator<HubChunk, void, void> {
    for (const [i, id] of pieces.entries()) {
      if (!missing.delete(id)) continue;
      yield { id, bytes: await pieceAt(file, size, i * PIECE_SIZE, source) };
    }
  }
  for await (const sent of target.uploadChunks(chunks(), call)) {
    if ('error' in sent) throw sent.error;
    done += PIECE_SIZE;
    onProgress?.(Math.min(Math.max(0, done), size), size);
  }
}

/** @returns `undefined` when some of the pieces are not there (any more) */
async function publish(
  client: HttpClient,
  { path, pieces, size, source, signal }: Pieces,
): Promise<FlistReceipt | undefined> {
  return await client.request(
    {
      method: 'POST',
      path,
      refused: 'ERR_USAGE',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ pieces, size }),
      signal,
      // The hub reads all of it once more.
      timeoutMs: PUBLISH_TIMEOUT_MS,
      answerTimeoutMs: PUBLISH_TIMEOUT_MS,
      accept: [409, 422],
    },
    async (response) => {
      if (response.status === 409) return undefined;
      if (response.status === 422) {
        throw new G8Error('ERR_FLIST_FORMAT', `Hub ${client.name} finds no flist in ${source}`);
      }
      const answer = await readJson(response, JSON_SIZE_MAX, `Answer of ${client.name}`);
      return parseAnswer(client, flistReceipt, answer);
    },
  );
}

async function pieceAt(
  file: FileHandle,
  size: number,
  at: number,
  source: string,
): Promise<Uint8Array> {
  const length = Math.min(PIECE_SIZE, size - at);
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  if (bytesRead === length) return bytes;
  throw new G8Error('ERR_IO', `${source} was changed while it was read`);
}

async function opened(source: string): Promise<FileHandle> {
  try {
    return await open(source);
  } catch (error) {
    if (isG8Error(error)) throw error;
    throw toG8Error(error, 'ERR_IO', `Cannot read ${source}`);
  }
}
