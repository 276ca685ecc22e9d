/** Chunks as the newer historical server names them: blocks, which the hub digests itself. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { blake2b } from '../../base/blake2b.ts';
import { toHex } from '../../base/bytes.ts';
import { CHUNK_ID_PATTERN, isChunkId } from '../../store/chunk-id.ts';
import { MISSING_COUNT_MAX } from '../../store/hub-protocol.ts';
import { CHUNK_SIZE_MAX, type ChunkId } from '../../store/store.ts';
import { blocksOfFile, INDEX_MAX, pageOfBlocks, putBlock } from '../block-records.ts';
import { assertStatedSize, bodyStream, bounded, Gate } from '../body.ts';
import { BLOCK } from '../catalogue/records.ts';
import { keepChunk } from '../keep-chunk.ts';
import type { OperationDocs } from '../operation.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter } from '../route.ts';
import { missingFor, sendChunk } from './chunks.ts';

const hash = z.string().regex(CHUNK_ID_PATTERN);
const fileHash = z.string().regex(/^(?:[0-9a-f]{64})?$/);
const index = z.coerce.number().int().min(0).max(INDEX_MAX);
const PAGE_COUNT_MAX = 100;

const blockQuery = z.object({ file_hash: fileHash.default(''), idx: index.default(0) });
const pageQuery = z.object({
  page: z.coerce.number().int().min(1).max(1_000_000).default(1),
  per_page: z.coerce.number().int().min(1).max(PAGE_COUNT_MAX).default(50),
});
const verifyRequest = z.object({
  blocks: z
    .array(
      z.object({
        block_hash: hash,
        file_hash: fileHash.optional(),
        block_index: z.number().int().min(0).optional(),
      }),
    )
    .max(MISSING_COUNT_MAX),
});
const receipt = z.object({ hash, message: z.string() });
const located = z.object({ blocks: z.array(z.tuple([hash, z.number().int()])) });
const common = { tag: 'blocks' } as const;

const DOCS = {
  put: {
    ...common,
    id: 'putBlock',
    summary: 'Store a block; the hub says what its digest is',
    isProtected: true,
    query: blockQuery,
    body: { type: 'application/octet-stream' },
    answers: {
      200: { text: 'It was there', schema: receipt },
      201: { text: 'It is new', schema: receipt },
    },
  },
  get: {
    ...common,
    id: 'getBlock',
    summary: 'A block; counts as a download',
    answers: { 200: { text: 'The bytes', type: 'application/octet-stream' } },
  },
  verify: {
    ...common,
    id: 'verifyBlocks',
    summary: 'Which blocks are not there',
    json: verifyRequest,
    answers: { 200: { text: 'Their digests', schema: z.object({ missing: z.array(hash) }) } },
  },
  locate: {
    ...common,
    id: 'getFileBlocks',
    summary: 'Blocks of a file, or the block itself',
    answers: { 200: { text: 'Digests with indexes', schema: located } },
  },
  list: {
    ...common,
    id: 'listBlocks',
    summary: 'Blocks that were uploaded as such, by pages',
    query: pageQuery,
    answers: {
      200: {
        text: 'A page',
        schema: z.object({
          blocks: z.array(hash),
          total: z.number().int(),
          page: z.number().int(),
          per_page: z.number().int(),
        }),
      },
    },
  },
  downloads: {
    ...common,
    id: 'getBlockDownloads',
    summary: 'How often a block was downloaded',
    answers: {
      200: {
        text: 'The count',
        schema: z.object({
          block_hash: hash,
          downloads_count: z.number().int(),
          block_size: z.number().int(),
        }),
      },
    },
  },
  own: {
    ...common,
    id: 'listOwnBlocks',
    summary: 'Blocks that the caller has uploaded, by pages',
    isProtected: true,
    query: pageQuery,
    answers: {
      200: {
        text: 'A page',
        schema: z.object({
          blocks: z.array(z.tuple([hash, z.number().int()])),
          total: z.number().int(),
          all_blocks: z.number().int(),
        }),
      },
    },
  },
} satisfies Record<string, OperationDocs>;

export function blockRoutes(app: FastifyInstance, context: HubContext): void {
  const { access, catalogue, downloads } = context;
  const gate = new Gate(context.limits.uploadCountMax);
  const guard = {
    authorize: (request: FastifyRequest) => access.authorize(request, { right: 'publish' }),
    post: true,
  };
  addRoute(
    app,
    '/api/v1/block',
    { post: (request, reply) => gate.run(() => postBlock(context, request, reply)) },
    guard,
    { post: DOCS.put },
  );
  addRoute(
    app,
    '/api/v1/block/:hash',
    {
      get: async (request, reply) => {
        const id = idOf(request);
        const answer = await sendChunk(context, request, reply, id);
        if (request.method === 'GET' && reply.statusCode < 300) downloads.add(id);
        return answer;
      },
    },
    {},
    { get: DOCS.get },
  );
  addRoute(
    app,
    '/api/v1/block/verify',
    {
      post: async (request, reply) => {
        const { blocks } = request.body as z.infer<typeof verifyRequest>;
        const ids = [...new Set(blocks.map((block) => block.block_hash))];
        return reply.send({ missing: await missingFor(context, request, ids) });
      },
    },
    {},
    { post: DOCS.verify },
  );
  addRoute(
    app,
    '/api/v1/block/:hash/downloads',
    {
      get: async (request, reply) => {
        const id = idOf(request);
        if ((await missingFor(context, request, [id])).length > 0) throw absent();
        const block_size = await sizeOf(context, id);
        const downloads_count = await downloads.count(id);
        return reply.send({ block_hash: id, downloads_count, block_size });
      },
    },
    {},
    { get: DOCS.downloads },
  );
  addRoute(
    app,
    '/api/v1/blocks/:hash',
    {
      get: async (request, reply) => {
        const id = idOf(request);
        const blocks = await blocksOfFile(catalogue, id);
        const isThere =
          blocks.length > 0 || (await missingFor(context, request, [id])).length === 0;
        if (!isThere) throw absent();
        return reply.send({ blocks: blocks.length > 0 ? blocks : [[id, 0]] });
      },
    },
    {},
    { get: DOCS.locate },
  );
  addRoute(
    app,
    '/api/v1/blocks',
    {
      get: async (request, reply) => {
        const asked = request.query as z.infer<typeof pageQuery>;
        const { blocks, total } = await pageOfBlocks(catalogue, asked);
        return reply.send({ blocks: blocks.map(({ id }) => id), total, ...asked });
      },
    },
    {},
    { get: DOCS.list },
  );
  addRoute(
    app,
    '/api/v1/user/blocks',
    {
      get: async (request, reply) => {
        const asked = request.query as z.infer<typeof pageQuery>;
        const { user = '' } = await access.authorize(request, { right: 'publish' });
        const own = await pageOfBlocks(catalogue, asked, user);
        const all = await pageOfBlocks(catalogue, { page: 1, per_page: 1 });
        return reply.send({
          blocks: own.blocks.map(({ id, size }) => [id, size]),
          total: own.blocks.length,
          all_blocks: all.total,
        });
      },
    },
    {},
    { get: DOCS.own },
  );
}

async function postBlock(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { file_hash, idx } = request.query as z.infer<typeof blockQuery>;
  assertStatedSize(request, CHUNK_SIZE_MAX);
  const pieces: Uint8Array[] = [];
  const stream = bodyStream(request);
  for await (const piece of bounded(stream, CHUNK_SIZE_MAX, context.limits.bodyMs)) {
    pieces.push(piece);
  }
  const bytes = Buffer.concat(pieces);
  if (bytes.length === 0) throw new Problem(400, 'A block has a byte at least');
  const id = toHex(await (context.digest ?? blake2b)(bytes, 32));
  const identity = await context.access.identify(request);
  // A block is for everybody who names it: no flist has to bring it to its readers.
  const status = await keepChunk(context, identity, id, bytes, { isPublic: true });
  const { user } = identity;
  const file = file_hash === '' ? undefined : { hash: file_hash, index: idx };
  await putBlock(context.catalogue, { id, size: bytes.length, user, file });
  const message = status === 'new' ? 'Block is stored' : 'Block was stored already';
  return reply.code(status === 'new' ? 201 : 200).send({ hash: id, message });
}

async function sizeOf({ catalogue, chunks }: HubContext, id: ChunkId): Promise<number> {
  const known = await catalogue.get(BLOCK, id);
  if (known !== undefined) return known.size;
  return (await chunks.get(id)).length;
}

function idOf(request: FastifyRequest): ChunkId {
  const id = parameter(request, 'hash');
  if (!isChunkId(id)) throw new Problem(400, 'A hash is 32 or 64 lower-case hex digits');
  return id;
}

function absent(): Problem {
  return new Problem(404, 'There is no such block or file');
}
