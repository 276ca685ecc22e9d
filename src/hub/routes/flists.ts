/** Flists: upload, listing and removal under `/api/v1`, and downloads under their public names. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PROFILE_SIZE_MAX, parseProfile } from '../../format/profile.ts';
import { parseSignatures, SIGNATURE_FILE_SIZE_MAX } from '../../format/signature.ts';
import { isChunkId } from '../../store/chunk-id.ts';
import {
  type FlistEntry,
  type FlistReceipt,
  LIST_COUNT_MAX,
  presentFlist,
} from '../../store/hub-protocol.ts';
import { assertRepositoryName } from '../assert-name.ts';
import { assertStatedSize, bodyStream, bounded, parseBody, tooLarge } from '../body.ts';
import {
  listAllEntries,
  type ResolvedFlist,
  resolveFlist,
  resolveTagged,
} from '../catalogue/entries.ts';
import { type FlistRecord, TEXT_KINDS, type TextKind } from '../catalogue/records.ts';
import { findText, putText } from '../catalogue/texts.ts';
import { parseView, sendView } from '../historical/views.ts';
import { keepChunk } from '../keep-chunk.ts';
import { hasWords, wordsOf } from '../name-words.ts';
import { flistFile, isRepositoryName, isTagName, parseFlistName } from '../names.ts';
import { savePresent } from '../present-flist.ts';
import { Problem } from '../problem.ts';
import { publish, unpublish } from '../publish.ts';
import { addRoute, type HubContext, parameter, queryText } from '../route.ts';
import { type Content, sendContent } from '../send-content.ts';
import { sendStaticChunk } from './chunks.ts';

const MD5_EXTENSION = '.md5';
/** Entries looked at for one page of a search; the next page goes on behind them. */
const SCAN_COUNT_MAX = 100_000;

/** What may lie beside a flist. The reader decides whose it is and whether it fits; here it has to be one. */
const BESIDE: Readonly<
  Record<TextKind, { sizeMax: number; parse: (text: string) => unknown; absent: string }>
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

/** A name may get another flist at any time: caches ask again. Shared ones keep nothing private. */
const HEADERS = {
  public: { 'cache-control': 'no-cache' },
  private: { 'cache-control': 'private, no-cache' },
} as const;

export function flistRoutes(app: FastifyInstance, context: HubContext): void {
  const guard = {
    authorize: async (request: FastifyRequest) => {
      const { repository } = namesOf(request);
      await context.access.authorize(request, { repository, right: 'publish' });
    },
    post: true,
  };
  addRoute(app, '/api/v1/flists', {
    get: (request, reply) => listFlists(context, request, reply),
  });
  addRoute(
    app,
    '/api/v1/flists/:repository/:name',
    {
      put: (request, reply) => uploadFlist(context, request, reply),
      post: (request, reply) => publishPresent(context, request, reply),
      delete: (request, reply) => removeFlist(context, request, reply),
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
      if (isChunkId(parameter(request, 'file'))) {
        return await sendStaticChunk(context, request, reply, 'repository', 'file');
      }
      return await sendFile(context, request, reply);
    },
  });
  addRoute(app, '/:repository/tags/:tag/:file', {
    get: async (request, reply) => {
      const [repository, tag, file] = ['repository', 'tag', 'file'].map((name) =>
        parameter(request, name),
      ) as [string, string, string];
      return await sendFlist(context, request, reply, repository, file, async (name) =>
        isTagName(tag) ? await resolveTagged(context.catalogue, repository, tag, name) : undefined,
      );
    },
  });
}

async function listFlists(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const after = queryText(request, 'after');
  const words = wordsOf(queryText(request, 'q') ?? '');
  const flists: FlistEntry[] = [];
  const position = after?.split('/');
  let scanned = 0;
  let last = '';
  let present = { repository: '', isHidden: false };
  for await (const { parts, value } of listAllEntries(context.catalogue, { after: position })) {
    const [repository, name] = parts as [string, string];
    if (++scanned > SCAN_COUNT_MAX) return reply.send({ flists, next: last });
    last = `${repository}/${name}`;
    if (value.kind !== 'flist' || !hasWords(`${repository}/${name}`, words)) continue;
    if (repository !== present.repository) {
      const visibility = await context.access.visibility(request, [repository]);
      present = { repository, isHidden: visibility === 'hidden' };
    }
    if (present.isHidden) continue;
    if (flists.length === LIST_COUNT_MAX) {
      const { repository: shown, name: file } = flists.at(-1) as FlistEntry;
      return reply.send({ flists, next: `${shown}/${file}` });
    }
    const updated = new Date(value.updated).toISOString();
    flists.push({ repository, name, size: value.size, updated });
  }
  return reply.send({ flists });
}

async function uploadFlist(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { repository, name } = namesOf(request);
  const { flistSizeMax: sizeMax, requestMs } = context.limits;
  assertStatedSize(request, sizeMax);
  const source = bounded(bodyStream(request), sizeMax, requestMs);
  const identity = await context.access.identify(request);
  const saved = await context.packages.save(source, {
    sizeMax,
    tooLarge: () => tooLarge(sizeMax),
    keep: (id, bytes) => keepChunk(context, identity, id, bytes),
  });
  return await publishSaved(context, request, reply, { repository, name, saved });
}

/** A flist of what is here already. */
async function publishPresent(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { repository, name } = namesOf(request);
  const saved = await savePresent(context, request, parseBody(request, presentFlist));
  return await publishSaved(context, request, reply, { repository, name, saved });
}

async function publishSaved(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  published: { repository: string; name: string; saved: Omit<FlistReceipt, 'repository' | 'name'> },
): Promise<FastifyReply> {
  const { repository, name, saved } = published;
  const { digest, md5, size } = saved;
  const file = flistFile(name);
  const put = await publish(context, request, { repository, file, digest });
  const receipt: FlistReceipt = { repository, name: file, size, md5, digest };
  return reply.code(put.created ? 201 : 200).send(receipt);
}

async function putBeside(
  context: HubContext,
  kind: TextKind,
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
  const isKept = await putText(context.catalogue, kind, repository, flistFile(name), text);
  if (!isKept) throw absent();
  return reply.code(204).send();
}

async function sendBeside(
  context: HubContext,
  kind: TextKind,
  request: FastifyRequest,
  reply: FastifyReply,
  repository: string,
  name: string | undefined,
): Promise<FastifyReply> {
  if (name === undefined || !isRepositoryName(repository)) throw absent();
  const text = await findText(context.catalogue, kind, repository, flistFile(name));
  const visibility = await context.access.visibility(request, [repository]);
  if (text === undefined || visibility === 'hidden') throw new Problem(404, BESIDE[kind].absent);
  if (visibility === 'private') reply.removeHeader('access-control-allow-origin');
  reply.headers(HEADERS[visibility]);
  return reply.type('text/plain; charset=utf-8').send(text);
}

async function removeFlist(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { repository, name } = namesOf(request);
  if (!(await unpublish(context, request, { repository, file: flistFile(name) }))) throw absent();
  return reply.code(204).send();
}

/** What is under a name in a repository. */
async function sendFile(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const repository = parameter(request, 'repository');
  const file = parameter(request, 'file');
  const kind = TEXT_KINDS.find((suffix) => file.endsWith(`.flist.${suffix}`));
  if (kind !== undefined) {
    const name = parseFlistName(file.slice(0, -(kind.length + 1)));
    return await sendBeside(context, kind, request, reply, repository, name);
  }
  return await sendFlist(context, request, reply, repository, file, (name) =>
    resolveFlist(context.catalogue, repository, name),
  );
}

/** A flist or what is shown beside it. `find` is where it is looked for. */
async function sendFlist(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  repository: string,
  file: string,
  find: (file: string) => Promise<ResolvedFlist | undefined>,
): Promise<FastifyReply> {
  if (!isRepositoryName(repository)) throw absent();
  const view = parseView(file);
  const wantsMd5 = file.endsWith(`.flist${MD5_EXTENSION}`);
  const flist = wantsMd5 ? file.slice(0, -MD5_EXTENSION.length) : file;
  const name = view?.name ?? (flist.endsWith('.flist') ? parseFlistName(flist) : undefined);
  const found = name === undefined ? undefined : await find(flistFile(name));
  if (name === undefined || found === undefined) throw absent();
  const visibility = await context.access.visibility(request, found.through);
  if (visibility === 'hidden') throw absent();
  if (visibility === 'private') reply.removeHeader('access-control-allow-origin');
  reply.headers(HEADERS[visibility]);
  if (view !== undefined) {
    const viewed = { repository, name, flist: found.flist };
    return await sendView(context, request, reply, view.view, viewed);
  }
  const { md5 } = found.flist;
  if (wantsMd5) return reply.type('text/plain; charset=utf-8').send(`${md5}\n`);
  return await sendContent(request, reply, packageContent(context, name, found.flist));
}

/** A package as it is downloaded under a name. */
function packageContent(context: HubContext, name: string, flist: FlistRecord): Content {
  const { digest, md5, size, updated } = flist;
  return {
    size,
    modified: new Date(updated),
    etag: md5,
    headers: {
      'content-type': 'application/octet-stream',
      'content-disposition': `inline; filename="${flistFile(name)}"`,
      'repr-digest': `md5=:${Buffer.from(md5, 'hex').toString('base64')}:`,
    },
    read: async (start, end) => {
      const saved = await context.packages.find(digest);
      if (saved === undefined) throw new Error(`Package ${digest} has no record`);
      return context.packages.read(saved, start, end);
    },
    close: async () => {},
  };
}

function namesOf(request: FastifyRequest): { repository: string; name: string } {
  const repository = parameter(request, 'repository');
  const name = parseFlistName(parameter(request, 'name'));
  assertRepositoryName(repository);
  if (name === undefined) throw new Problem(400, 'The flist name is not allowed');
  return { repository, name };
}

function absent(): Problem {
  return new Problem(404, 'There is no such flist');
}
