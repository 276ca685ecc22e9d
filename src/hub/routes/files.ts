/** Whole files, as the newer historical server takes them: cut into pieces that are chunks. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { assertStatedSize, bodyStream, bounded, Gate, tooLarge } from '../body.ts';
import { FILE, PACKAGE } from '../catalogue/records.ts';
import { keepChunk } from '../keep-chunk.ts';
import type { OperationDocs } from '../operation.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter } from '../route.ts';
import { sendContent } from '../send-content.ts';

const SHA256_PATTERN = /^[0-9a-f]{64}$/;
/** A JSON body with a name. */
const NAME_BODY_MAX = 4096;
const NAME_LENGTH_MAX = 255;

const fileName = z.string().min(1).max(NAME_LENGTH_MAX);
const nameRequest = z.object({ file_name: fileName });
const nameQuery = z.object({ file_name: fileName.optional() });
const receipt = z.object({ file_hash: z.string().regex(SHA256_PATTERN), message: z.string() });

const DOCS = {
  post: {
    id: 'putWholeFile',
    tag: 'blocks',
    summary: 'Store a file, unencrypted, in pieces',
    isProtected: true,
    body: { type: 'application/octet-stream' },
    answers: { 201: { text: 'Its SHA-256', schema: receipt } },
  },
  get: {
    id: 'getWholeFile',
    tag: 'blocks',
    summary: 'A file that was uploaded; a JSON body with file_name is understood as well',
    query: nameQuery,
    answers: { 200: { text: 'The bytes', type: 'application/octet-stream' } },
  },
} satisfies Record<string, OperationDocs>;

export function fileRoutes(app: FastifyInstance, context: HubContext): void {
  const gate = new Gate(context.limits.uploadCountMax);
  addRoute(
    app,
    '/api/v1/file',
    { post: (request, reply) => gate.run(() => postFile(context, request, reply)) },
    {
      authorize: (request) => context.access.authorize(request, { right: 'publish' }),
      post: true,
    },
    { post: DOCS.post },
  );
  addRoute(
    app,
    '/api/v1/file/:hash',
    { get: (request, reply) => sendWholeFile(context, request, reply) },
    {},
    { get: DOCS.get },
  );
}

async function postFile(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { flistSizeMax: sizeMax, requestMs } = context.limits;
  assertStatedSize(request, sizeMax);
  const identity = await context.access.identify(request);
  const sha256 = createHash('sha256');
  const source = digested(bounded(bodyStream(request), sizeMax, requestMs), sha256);
  const { digest, size } = await context.packages.save(source, {
    sizeMax,
    tooLarge: () => tooLarge(sizeMax),
    isAnything: true,
    keep: (id, bytes) => keepChunk(context, identity, id, bytes, { isPublic: true }),
  });
  const hash = sha256.digest('hex');
  const { user } = identity;
  await context.catalogue.transaction(async (transaction) => {
    // Read so that the commit fails when the package is collected meanwhile.
    if ((await transaction.get(PACKAGE, digest)) === undefined) {
      throw new Problem(503, 'The upload is gone, send it again');
    }
    if ((await transaction.get(FILE, hash)) !== undefined) return;
    const owner = user === undefined ? {} : { user };
    transaction.put(FILE, [hash], { digest, size, ...owner, created: Date.now() });
  });
  return reply.code(201).send({ file_hash: hash, message: 'File is stored' });
}

async function sendWholeFile(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const hash = parameter(request, 'hash');
  if (!SHA256_PATTERN.test(hash)) throw new Problem(400, 'A hash is 64 lower-case hex digits');
  const { file_name: asked } = request.query as z.infer<typeof nameQuery>;
  const name = asked ?? (await nameInBody(request, context.limits.bodyMs)) ?? `${hash}.bin`;
  const file = await context.catalogue.get(FILE, hash);
  const saved = file && (await context.packages.find(file.digest));
  if (file === undefined || saved === undefined) throw new Problem(404, 'There is no such file');
  return await sendContent(request, reply, {
    size: file.size,
    modified: new Date(file.created),
    etag: hash,
    headers: {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename*=UTF-8''${encodeValue(name)}`,
      'cache-control': 'public, max-age=31536000, immutable',
    },
    read: async (start, end) => context.packages.read(saved, start, end),
    close: async () => {},
  });
}

/** The newer server's client says the name in the body of a GET, which nobody parses. */
async function nameInBody(request: FastifyRequest, timeoutMs: number): Promise<string | undefined> {
  const size = Number(request.headers['content-length'] ?? 0);
  if (size === 0) return undefined;
  if (size > NAME_BODY_MAX) throw tooLarge(NAME_BODY_MAX);
  const pieces: Uint8Array[] = [];
  for await (const piece of bounded(request.raw, NAME_BODY_MAX, timeoutMs)) pieces.push(piece);
  try {
    return nameRequest.parse(JSON.parse(Buffer.concat(pieces).toString())).file_name;
  } catch {
    throw new Problem(400, 'The body has an invalid file_name');
  }
}

/** A value of RFC 8187. */
function encodeValue(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd')).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

async function* digested(
  source: AsyncIterable<Uint8Array>,
  digest: { update(bytes: Uint8Array): unknown },
): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    digest.update(piece);
    yield piece;
  }
}
