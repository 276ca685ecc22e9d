/** Flists: upload, listing and removal under `/api/v1`, and downloads under their public names. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PROFILE_SIZE_MAX, parseProfile } from '../../format/profile.ts';
import { parseSignatures, SIGNATURE_FILE_SIZE_MAX } from '../../format/signature.ts';
import { isChunkId } from '../../store/chunk-id.ts';
import { LIST_COUNT_MAX } from '../../store/hub-protocol.ts';
import { assertStatedSize, bodyStream, bounded, tooLarge } from '../body.ts';
import { BESIDE_KINDS, type BesideKind } from '../catalog.ts';
import { flistFile, isRepositoryName, parseFlistName } from '../names.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter } from '../route.ts';
import { sendFile } from '../send-file.ts';
import { sendStaticChunk } from './chunks.ts';

const MD5_EXTENSION = '.md5';

/** What may lie beside a flist. The reader decides whose it is and whether it fits; here it has to be one. */
const BESIDE: Readonly<
  Record<BesideKind, { sizeMax: number; parse: (text: string) => unknown; absent: string }>
> = {
  sig: {
    sizeMax: SIGNATURE_FILE_SIZE_MAX,
    parse: parseSignatures,
    absent: 'The flist is not signed',
  },
  profile: {
    sizeMax: PROFILE_SIZE_MAX,
    parse: parseProfile,
    absent: 'The flist has no start profile',
  },
};

export function flistRoutes(app: FastifyInstance, context: HubContext): void {
  const guard = { authorize: context.authorizeWrite };
  addRoute(app, '/api/v1/flists', {
    get: (request, reply) => listFlists(context, request, reply),
  });
  addRoute(
    app,
    '/api/v1/flists/:repository/:name',
    {
      put: (request, reply) => putFlist(context, request, reply),
      delete: (request, reply) => deleteFlist(context, request, reply),
    },
    guard,
  );
  for (const [word, kind] of [
    ['signature', 'sig'],
    ['profile', 'profile'],
  ] as const) {
    addRoute(
      app,
      `/api/v1/flists/:repository/:name/${word}`,
      { put: (request, reply) => putBeside(context, kind, request, reply) },
      guard,
    );
  }
  // Two segments at the root are a flist, its digest, or a chunk in the static layout: a client that
  // does not know yet that this is a hub finds chunks there as on any other server.
  addRoute(app, '/:repository/:file', {
    get: async (request, reply) => {
      const file = parameter(request, 'file');
      if (isChunkId(file)) {
        return await sendStaticChunk(context, request, reply, 'repository', 'file');
      }
      return await sendFlist(context, request, reply, parameter(request, 'repository'), file);
    },
  });
}

async function listFlists(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { after } = request.query as { after?: string | string[] };
  if (Array.isArray(after)) throw new Problem(400, 'The parameter after is given twice');
  const { entries, next } = await context.catalog.list(after, LIST_COUNT_MAX);
  return reply.send({ flists: entries, next });
}

async function putFlist(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { repository, name } = namesOf(request);
  const { flistSizeMax: sizeMax, requestMs } = context.limits;
  assertStatedSize(request, sizeMax);
  const source = bounded(bodyStream(request), sizeMax, requestMs);
  const { receipt, created } = await context.catalog.save(repository, name, source, {
    sizeMax,
    tooLarge: () => tooLarge(sizeMax),
  });
  return reply.code(created ? 201 : 200).send(receipt);
}

async function putBeside(
  context: HubContext,
  kind: BesideKind,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { repository, name } = namesOf(request);
  const { sizeMax, parse } = BESIDE[kind];
  assertStatedSize(request, sizeMax);
  const source = bounded(bodyStream(request), sizeMax, context.limits.requestMs);
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  const text = Buffer.concat(pieces).toString('latin1');
  parse(text);
  if (!(await context.catalog.saveBeside(kind, repository, name, text))) throw absent();
  return reply.code(204).send();
}

async function sendBeside(
  context: HubContext,
  kind: BesideKind,
  reply: FastifyReply,
  repository: string,
  name: string | undefined,
): Promise<FastifyReply> {
  if (name === undefined || !isRepositoryName(repository)) throw absent();
  const text = await context.catalog.beside(kind, repository, name);
  if (text === undefined) throw new Problem(404, BESIDE[kind].absent);
  reply.header('access-control-allow-origin', '*').header('cache-control', 'no-cache');
  return reply.type('text/plain; charset=utf-8').send(text);
}

async function deleteFlist(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { repository, name } = namesOf(request);
  if (!(await context.catalog.delete(repository, name))) throw absent();
  return reply.code(204).send();
}

async function sendFlist(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  repository: string,
  file: string,
): Promise<FastifyReply> {
  const kind = BESIDE_KINDS.find((suffix) => file.endsWith(`.flist.${suffix}`));
  if (kind !== undefined) {
    const name = parseFlistName(file.slice(0, -(kind.length + 1)));
    return await sendBeside(context, kind, reply, repository, name);
  }
  const wantsMd5 = file.endsWith(`.flist${MD5_EXTENSION}`);
  const flist = wantsMd5 ? file.slice(0, -MD5_EXTENSION.length) : file;
  const name = flist.endsWith('.flist') ? parseFlistName(flist) : undefined;
  if (name === undefined || !isRepositoryName(repository)) throw absent();
  const opened = await context.catalog.open(repository, name);
  if (opened === undefined) throw absent();
  reply.header('access-control-allow-origin', '*').header('cache-control', 'no-cache');
  if (wantsMd5) {
    await opened.handle.close();
    return reply.type('text/plain; charset=utf-8').send(`${opened.md5}\n`);
  }
  const { md5, ...rest } = opened;
  return await sendFile(request, reply, {
    ...rest,
    etag: md5,
    headers: {
      'content-type': 'application/octet-stream',
      'content-disposition': `inline; filename="${flistFile(name)}"`,
      'repr-digest': `md5=:${Buffer.from(md5, 'hex').toString('base64')}:`,
    },
  });
}

function namesOf(request: FastifyRequest): { repository: string; name: string } {
  const repository = parameter(request, 'repository');
  const name = parseFlistName(parameter(request, 'name'));
  if (!isRepositoryName(repository)) throw new Problem(400, 'The repository name is not allowed');
  if (name === undefined) throw new Problem(400, 'The flist name is not allowed');
  return { repository, name };
}

function absent(): Problem {
  return new Problem(404, 'There is no such flist');
}
