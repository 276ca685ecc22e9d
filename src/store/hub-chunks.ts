/**
 * The hub's chunk requests as functions on a client: probe, presence, batches, uploads.
 *
 * Each is one request, or one per full group of ids, and repeats nothing.
 */

import type { z } from 'zod';
import { startDeadline } from '../base/deadline.ts';
import { G8Error } from '../base/errors.ts';
import {
  CHUNKS_MEDIA_TYPE,
  type ChunkFrame,
  decodeFrames,
  encodeFrameHeader,
  FRAME_STATUS,
  FrameDecoder,
} from './chunk-frames.ts';
import { chunkPath, missingError } from './chunk-id.ts';
import type { OnChunk } from './deliver.ts';
import { type HttpResponse, isPlain, readBody, readJson } from './http-answer.ts';
import type { HttpClient, HttpRequest } from './http-client.ts';
import {
  BATCH_COUNT_MAX,
  type HubInfo,
  JSON_SIZE_MAX,
  MISSING_COUNT_MAX,
  parseHubInfo,
} from './hub-limits.ts';
import type { UploadStatus } from './hub-protocol.ts';
import { CHUNK_SIZE_MAX, type ChunkId, type ChunkResult, type StoreCallOptions } from './store.ts';

// Usually two minutes. A batch is up to 64 chunks of half a MiB: 32 MiB at 300 KB/s.
const BATCH_TIMES = 6;
const PROBE_TIMEOUT_MS = 5_000;
const PROBE_SIZE_MAX = 16 * 1024;

export interface HubChunk {
  readonly id: ChunkId;
  readonly bytes: Uint8Array;
}

/**
 * What the server says it is; `undefined` when it answers but is no hub.
 *
 * @throws when it does not answer
 */
export async function probeHub(
  client: HttpClient,
  options: StoreCallOptions = {},
): Promise<HubInfo | undefined> {
  const deadline = startDeadline({
    timeoutMs: PROBE_TIMEOUT_MS,
    signal: options.signal,
    what: `Probe of ${client.name}`,
  });
  try {
    return await client.request(
      {
        method: 'GET',
        path: '/api/v1',
        headers: { accept: 'application/json' },
        // Statuses that say "no such thing here", whatever kind of server says it.
        accept: [301, 302, 307, 308, 400, 401, 403, 404, 405, 410],
        signal: deadline.signal,
      },
      async (response) => {
        if (response.status !== 200) return undefined;
        if (!response.header('content-type')?.includes('json')) return undefined;
        try {
          return parseHubInfo(await readJson(response, PROBE_SIZE_MAX, 'Answer'));
        } catch (error) {
          if (error instanceof G8Error && error.code === 'ERR_PROTOCOL') return undefined;
          throw error;
        }
      },
    );
  } finally {
    deadline.clear();
  }
}

/** `GET` of one chunk at `path`, which is below the base URL. */
export async function getChunk(
  client: HttpClient,
  id: ChunkId,
  path: string,
  options: StoreCallOptions,
): Promise<Uint8Array> {
  return await client.request(
    { method: 'GET', path, signal: options.signal, absent: () => missingError(id, client.name) },
    async (response) => {
      const what = `Chunk ${id} from ${client.name}`;
      if (response.status !== 200) {
        // Part of it, for example, which nobody has asked for.
        throw new G8Error('ERR_PROTOCOL', `${what} came with status ${response.status}`);
      }
      return await readBody(response, CHUNK_SIZE_MAX, what);
    },
  );
}

export async function hasChunk(
  client: HttpClient,
  path: string,
  options: StoreCallOptions,
): Promise<boolean> {
  return await client.request(
    { method: 'HEAD', path, signal: options.signal, accept: [404, 410] },
    (response) => response.status < 300,
  );
}

export function hubChunkPath(id: ChunkId): string {
  return `/api/v1/chunks/${id}`;
}

export function staticChunkPath(id: ChunkId): string {
  return `/${chunkPath(id)}`;
}

/** The ids that the hub does not have, in the order given. */
export async function missingAtHub(
  client: HttpClient,
  ids: readonly ChunkId[],
  options: StoreCallOptions,
): Promise<ChunkId[]> {
  const { missingResponse } = await import('./hub-protocol.ts');
  const missing: ChunkId[] = [];
  for (let start = 0; start < ids.length; start += MISSING_COUNT_MAX) {
    const group = ids.slice(start, start + MISSING_COUNT_MAX);
    const answer = new Set(
      (
        await postJson(
          client,
          '/api/v1/chunks/missing',
          JSON.stringify({ ids: group }),
          missingResponse,
          options,
        )
      ).missing,
    );
    missing.push(...group.filter((id) => answer.has(id)));
  }
  return missing;
}

/**
 * One batch: yields a result for each id as it arrives. Ids the hub left out are the caller's to notice.
 *
 * @throws ERR_PROTOCOL when the answer breaks the format or has ids that were not asked for
 */
export async function* batchFromHub(
  client: HttpClient,
  ids: readonly ChunkId[],
  options: StoreCallOptions,
): AsyncGenerator<ChunkResult, void, void> {
  const pending = new Set(ids);
  yield* client.stream<ChunkResult>(batchRequest(client, ids, options), async function* (response) {
    assertBatch(client, response);
    for await (const frame of decodeFrames(response.body)) yield resultOf(client, pending, frame);
  });
}

/** As {@link batchFromHub}, without a turn of the event loop for each chunk. */
export async function deliverFromHub(
  client: HttpClient,
  ids: readonly ChunkId[],
  options: StoreCallOptions,
  onChunk: OnChunk,
): Promise<void> {
  const pending = new Set(ids);
  await client.request(batchRequest(client, ids, options), async (response) => {
    assertBatch(client, response);
    const decoder = new FrameDecoder();
    for await (const piece of response.body) {
      for (const frame of decoder.push(piece)) onChunk(resultOf(client, pending, frame));
    }
    decoder.end();
  });
}

function batchRequest(
  client: HttpClient,
  ids: readonly ChunkId[],
  options: StoreCallOptions,
): HttpRequest {
  return {
    method: 'POST',
    path: '/api/v1/chunks/batch',
    headers: { 'content-type': 'application/json', accept: CHUNKS_MEDIA_TYPE },
    body: JSON.stringify({ ids }),
    signal: options.signal,
    timeoutMs: BATCH_TIMES * client.requestTimeoutMs,
    absent: () => new G8Error('ERR_PROTOCOL', `Hub ${client.name} knows no batches`),
  };
}

function assertBatch(client: HttpClient, response: HttpResponse): void {
  const isWhole = response.status === 200 && isPlain(response);
  if (isWhole && response.header('content-type') === CHUNKS_MEDIA_TYPE) return;
  throw new G8Error('ERR_PROTOCOL', `Batch from ${client.name} is no chunk stream`);
}

function resultOf(
  client: HttpClient,
  pending: Set<ChunkId>,
  { id, status, bytes }: ChunkFrame,
): ChunkResult {
  if (!pending.delete(id)) {
    throw new G8Error('ERR_PROTOCOL', `Batch from ${client.name} has chunk ${id} unasked`);
  }
  if (status === FRAME_STATUS.ok) return { id, bytes };
  if (status === FRAME_STATUS.missing) return { id, error: missingError(id, client.name) };
  return { id, error: refusedError(client, id) };
}

/** `PUT` of one chunk. @throws ERR_CHUNK_CORRUPT when the hub finds that bytes and id differ */
export async function putToHub(
  client: HttpClient,
  chunk: HubChunk,
  options: StoreCallOptions,
): Promise<void> {
  await client.request(
    {
      method: 'PUT',
      path: hubChunkPath(chunk.id),
      headers: { 'content-type': 'application/octet-stream' },
      body: chunk.bytes,
      signal: options.signal,
      accept: [422],
    },
    (response) => {
      if (response.status === 422) throw mismatchError(client, chunk.id);
    },
  );
}

/** One batch upload of at most {@link BATCH_COUNT_MAX} chunks; a status for each, in order. */
export async function uploadToHub(
  client: HttpClient,
  chunks: readonly HubChunk[],
  options: StoreCallOptions,
): Promise<UploadStatus[]> {
  if (chunks.length > BATCH_COUNT_MAX) throw new RangeError('Too many chunks for one batch');
  const parts = chunks.flatMap(({ id, bytes }) => [
    encodeFrameHeader(id, FRAME_STATUS.ok, bytes.length),
    bytes,
  ]);
  const { uploadResponse } = await import('./hub-protocol.ts');
  const { results } = await client.request(
    {
      method: 'POST',
      path: '/api/v1/chunks/upload',
      headers: { 'content-type': CHUNKS_MEDIA_TYPE, accept: 'application/json' },
      body: Buffer.concat(parts),
      signal: options.signal,
      timeoutMs: BATCH_TIMES * client.requestTimeoutMs,
    },
    async (response) =>
      parseAnswer(client, uploadResponse, await readJson(response, JSON_SIZE_MAX, 'Upload answer')),
  );
  if (results.length !== chunks.length || results.some((r, i) => r.id !== chunks[i]?.id)) {
    throw new G8Error('ERR_PROTOCOL', `Upload answer of ${client.name} is about other chunks`);
  }
  return results.map((result) => result.status);
}

export function mismatchError(client: HttpClient, id: ChunkId): G8Error {
  return new G8Error('ERR_CHUNK_CORRUPT', `Chunk ${id} was refused: it does not match its id`, {
    details: { id, store: client.name },
  });
}

export function refusedError(client: HttpClient, id: ChunkId): G8Error {
  return new G8Error('ERR_STORE_UNAVAILABLE', `Hub ${client.name} failed on chunk ${id}`, {
    details: { id, store: client.name },
  });
}

async function postJson<T>(
  client: HttpClient,
  path: string,
  body: string,
  schema: z.ZodType<T>,
  options: StoreCallOptions,
): Promise<T> {
  return await client.request(
    {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body,
      signal: options.signal,
    },
    async (response) =>
      parseAnswer(client, schema, await readJson(response, JSON_SIZE_MAX, 'Answer')),
  );
}

/** @throws ERR_PROTOCOL when the value has another shape */
export function parseAnswer<T>(client: HttpClient, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new G8Error('ERR_PROTOCOL', `Answer of ${client.name} has an unexpected shape`);
}
