/** Chunks: single reads in both layouts, verified uploads, presence checks and batches. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isG8Error } from '../../base/errors.ts';
import {
  CHUNKS_MEDIA_TYPE,
  type ChunkFrame,
  encodeFrameHeader,
  FRAME_STATUS,
  FrameDecoder,
} from '../../store/chunk-frames.ts';
import { chunkMatches, isChunkId, missingError } from '../../store/chunk-id.ts';
import { deliver } from '../../store/deliver.ts';
import {
  BATCH_COUNT_MAX,
  batchRequest,
  missingRequest,
  UPLOAD_SIZE_MAX,
  type UploadStatus,
} from '../../store/hub-protocol.ts';
import { CHUNK_SIZE_MAX, type ChunkId, type ChunkResult } from '../../store/store.ts';
import { type Visibility, visibilityOfChunks } from '../access/chunk-access.ts';
import type { Identity } from '../access/identity.ts';
import { assertStatedSize, bodyStream, bounded, Gate, parseBody } from '../body.ts';
import { keepChunk } from '../keep-chunk.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter } from '../route.ts';
import { sendCached } from '../send-cached.ts';
import { bytesContent, fileContent, sendContent } from '../send-content.ts';

// A chunk never changes under its id: a year, the longest that caches honour.
const CHUNK_HEADERS = {
  'content-type': 'application/octet-stream',
  'cache-control': 'public, max-age=31536000, immutable',
  'access-control-allow-origin': '*',
};
/** For those who may read it alone. */
const PRIVATE_HEADERS = {
  'content-type': 'application/octet-stream',
  'cache-control': 'private, max-age=31536000, immutable',
};

// Chunks of one batch that are written at a time; keeps the disk busy and bounds the memory of a request to 20 MiB.
const BATCH_CONCURRENCY = 4;
// Chunks of one batch answer that are read in one step, in front of what the client takes: at first, and at most when
// they are small. Bounds the memory of a request to 20 MiB at first, 8 MiB of chunks of the usual size.
const READ_COUNT_MIN = 4;
const READ_COUNT_MAX = 16;
const READ_BYTES = 512 * 1024;
// What is copied into one piece, so that it is one write.
const COPY_BYTES_MAX = 2 * READ_BYTES;

export function chunkRoutes(app: FastifyInstance, context: HubContext): void {
  const gate = new Gate(context.limits.uploadCountMax);
  const guard = {
    authorize: (request: FastifyRequest) => context.access.authorize(request, { right: 'publish' }),
  };
  addRoute(app, '/chunks/:prefix/:id', {
    get: (request, reply) => sendStaticChunk(context, request, reply, 'prefix', 'id'),
  });
  addRoute(
    app,
    '/api/v1/chunks/:id',
    {
      get: (request, reply) => sendChunk(context, request, reply, idOf(request)),
      put: (request, reply) => gate.run(() => putChunk(context, request, reply)),
    },
    guard,
  );
  addRoute(app, '/api/v1/chunks/missing', {
    post: async (request, reply) => {
      const { ids } = parseBody(request, missingRequest);
      return reply.send({ missing: await missingFor(context, request, ids) });
    },
  });
  addRoute(app, '/api/v1/chunks/batch', {
    post: async (request, reply) => {
      const { ids } = parseBody(request, batchRequest);
      const seen = await seenBy(context, request, ids);
      const frames = Readable.from(framesOf(context, ids, seen), { objectMode: false });
      return reply.type(CHUNKS_MEDIA_TYPE).send(frames);
    },
  });
  addRoute(
    app,
    '/api/v1/chunks/upload',
    { post: (request, reply) => gate.run(() => uploadBatch(context, request, reply)) },
    { ...guard, post: true },
  );
}

/** A chunk under `<prefix>/<id>`, wherever the static layout is mounted. */
export async function sendStaticChunk(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  prefixName: string,
  idName: string,
): Promise<FastifyReply> {
  const id = parameter(request, idName);
  if (!isChunkId(id) || parameter(request, prefixName) !== id.slice(0, 2)) {
    throw new Problem(404, 'There is no such chunk');
  }
  return await sendChunk(context, request, reply, id);
}

/** A chunk, if the caller may read it. */
export async function sendChunk(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  id: ChunkId,
): Promise<FastifyReply> {
  const { access, catalogue, chunks } = context;
  const [visibility] = await visibilityOfChunks(catalogue, [id], () => access.identify(request));
  if (visibility === 'hidden') throw missingError(id, chunks.name);
  const isPublic = visibility === 'public';
  const headers = isPublic ? CHUNK_HEADERS : PRIVATE_HEADERS;
  // Pages of other origins get what everybody gets, and no more.
  if (!isPublic) reply.removeHeader('access-control-allow-origin');
  if (sendCached(context, request, reply, { id, isPublic, headers })) return reply;
  const rest = { etag: id, headers };
  const chunk =
    (await context.cache?.read(id, isPublic)) ??
    (await chunks.openChunk?.(id)) ??
    (await chunks.get(id));
  const content =
    chunk instanceof Uint8Array ? bytesContent(chunk, rest) : fileContent(chunk, rest);
  return await sendContent(request, reply, content);
}

async function putChunk(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const id = idOf(request);
  assertStatedSize(request, CHUNK_SIZE_MAX);
  const pieces: Uint8Array[] = [];
  const stream = bodyStream(request);
  for await (const piece of bounded(stream, CHUNK_SIZE_MAX, context.limits.bodyMs)) {
    pieces.push(piece);
  }
  const identity = await context.access.identify(request);
  const status = await storeChunk(context, identity, id, Buffer.concat(pieces));
  if (status === 'mismatch') throw new Problem(422, `The bytes do not match the id ${id}`);
  return reply.code(status === 'new' ? 201 : 200).send({ id, status });
}

async function storeChunk(
  context: HubContext,
  identity: Identity,
  id: ChunkId,
  bytes: Uint8Array,
): Promise<'new' | 'known' | 'mismatch'> {
  if (!(await chunkMatches(id, bytes, context.digest))) return 'mismatch';
  return await keepChunk(context, identity, id, bytes);
}

async function uploadBatch(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (request.headers['content-type'] !== CHUNKS_MEDIA_TYPE) {
    throw new Problem(415, `The body must be ${CHUNKS_MEDIA_TYPE}`);
  }
  assertStatedSize(request, UPLOAD_SIZE_MAX);
  const results: { id: ChunkId; status: UploadStatus }[] = [];
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const start = (frame: ChunkFrame) => {
    const result = { id: frame.id, status: 'error' as UploadStatus };
    results.push(result);
    const run = storeFrame(context, request, frame)
      .then((status) => {
        result.status = status;
      })
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => running.delete(run));
    running.add(run);
  };
  const decoder = new FrameDecoder();
  const stream = bodyStream(request);
  try {
    for await (const piece of bounded(stream, UPLOAD_SIZE_MAX, context.limits.bodyMs)) {
      for (const frame of decoder.push(piece)) {
        if (results.length === BATCH_COUNT_MAX) {
          throw new Problem(413, `The batch has more than ${BATCH_COUNT_MAX} chunks`);
        }
        if (running.size >= BATCH_CONCURRENCY) await Promise.race(running);
        if (failures.length > 0) throw failures[0];
        start(frame);
      }
    }
    decoder.end();
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
  return reply.send({ results });
}

async function storeFrame(
  context: HubContext,
  request: FastifyRequest,
  frame: ChunkFrame,
): Promise<UploadStatus> {
  if (frame.status !== FRAME_STATUS.ok)
    throw new Problem(400, 'The batch has a frame without bytes');
  try {
    const identity = await context.access.identify(request);
    return await storeChunk(context, identity, frame.id, frame.bytes);
  } catch (error) {
    // A full disk or quota ends the batch; any other failure is this chunk's alone.
    if (isG8Error(error, 'ERR_CACHE_FULL') || error instanceof Problem) throw error;
    request.log.error({ err: error, chunk: frame.id }, 'chunk was not stored');
    return 'error';
  }
}

/**
 * The body of a batch answer, in the order asked and as fast as the client takes it: what is read in one step goes
 * out as one piece.
 */
async function* framesOf(
  context: HubContext,
  ids: readonly ChunkId[],
  seen: ReadonlyMap<ChunkId, Visibility>,
): AsyncGenerator<Uint8Array, void, void> {
  let left = [...new Set(ids)];
  let size = 0;
  let count = READ_COUNT_MIN;
  while (left.length > 0) {
    const step = left.slice(0, count);
    left = left.slice(count);
    const results =
      size > context.limits.batchSizeMax ? undefined : await readStep(context, step, seen);
    const pieces: Uint8Array[] = [];
    for (const id of step) {
      const result = size > context.limits.batchSizeMax ? undefined : results?.get(id);
      pieces.push(...frameOf(id, result));
      if (result !== undefined && 'bytes' in result) size += result.bytes.length;
    }
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    const fitting = Math.floor((READ_BYTES * step.length) / bytes);
    count = Math.min(READ_COUNT_MAX, Math.max(READ_COUNT_MIN, fitting));
    // A write costs more than a copy only for small chunks.
    if (bytes > COPY_BYTES_MAX) yield* pieces;
    else yield Buffer.concat(pieces);
  }
}

/**
 * The ids that are not there for whoever asks, each once, in their order. What somebody may not read is not there for
 * them: they send it, and have shown that they have it.
 */
export async function missingFor(
  context: HubContext,
  request: FastifyRequest,
  ids: readonly ChunkId[],
): Promise<ChunkId[]> {
  const distinct = [...new Set(ids)];
  const missing = new Set(await context.chunks.missing(distinct));
  const present = distinct.filter((id) => !missing.has(id));
  for (const [id, visibility] of await seenBy(context, request, present)) {
    if (visibility === 'hidden') missing.add(id);
  }
  return distinct.filter((id) => missing.has(id));
}

/** What chunks are to whoever asks. */
async function seenBy(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  ids: readonly ChunkId[],
): Promise<Map<ChunkId, Visibility>> {
  const seen = await visibilityOfChunks(catalogue, ids, () => access.identify(request));
  return new Map(ids.map((id, i) => [id, seen[i] as Visibility]));
}

/** Never rejects: a client that goes away leaves reads behind that nobody awaits. */
async function readStep(
  context: HubContext,
  ids: readonly ChunkId[],
  seen: ReadonlyMap<ChunkId, Visibility>,
): Promise<Map<ChunkId, ChunkResult>> {
  const results = new Map<ChunkId, ChunkResult>();
  const onChunk = (result: ChunkResult): void => void results.set(result.id, result);
  const { cache, chunks } = context;
  const open: ChunkId[] = [];
  for (const id of ids) {
    if (seen.get(id) !== 'hidden') open.push(id);
    else onChunk({ id, error: missingError(id, chunks.name) });
  }
  const reading =
    cache === undefined
      ? deliver(chunks, open, {}, onChunk)
      : cache.deliver(open, (id) => seen.get(id) === 'public', onChunk);
  await reading.catch((error: unknown) => {
    for (const id of ids) if (!results.has(id)) onChunk({ id, error });
  });
  return results;
}

/** Without a result: the batch is full. */
function frameOf(id: ChunkId, result: ChunkResult | undefined): Uint8Array[] {
  if (result === undefined) return errorFrame(id, 'The batch is full, ask again');
  if ('bytes' in result) {
    return [encodeFrameHeader(id, FRAME_STATUS.ok, result.bytes.length), result.bytes];
  }
  if (isG8Error(result.error, 'ERR_CHUNK_MISSING')) {
    return [encodeFrameHeader(id, FRAME_STATUS.missing, 0)];
  }
  return errorFrame(id, 'The hub cannot read this chunk');
}

function errorFrame(id: ChunkId, message: string): Uint8Array[] {
  const bytes = Buffer.from(message, 'utf8');
  return [encodeFrameHeader(id, FRAME_STATUS.error, bytes.length), bytes];
}

function idOf(request: FastifyRequest): ChunkId {
  const id = parameter(request, 'id');
  if (!isChunkId(id)) throw new Problem(400, 'A chunk id is 32 or 64 lower-case hex digits');
  return id;
}
