/** Flists of registry images in the background, and what flists there are, as the newer historical server has it. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isG8Error } from '../../base/errors.ts';
import { listRecords } from '../../format/flist/list-records.ts';
import type { Credentials } from '../../store/credential-helper.ts';
import { parseRouter } from '../../store/router-config.ts';
import { actorOf } from '../access/audit.ts';
import { baseUrl } from '../base-url.ts';
import { findEntry, listAllEntries, resolveFlist } from '../catalogue/entries.ts';
import type { FlistRecord } from '../catalogue/records.ts';
import { readFlistOf } from '../flist-settings.ts';
import type { Job } from '../jobs.ts';
import { flistFile, isRepositoryName, parseFlistName } from '../names.ts';
import type { OperationDocs } from '../operation.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter } from '../route.ts';
import { arrayText, objectText, sendJsonText } from '../send-json.ts';
import { startConversion } from '../uploads/conversion-job.ts';
import { parseImage } from '../uploads/registry-image.ts';

const text = z.string().max(4096);
const imageRequest = z.object({
  image_name: z.string().min(1).max(512),
  username: text.optional(),
  password: text.optional(),
  /** Base64 of `user:password`. */
  auth: text.optional(),
  email: text.optional(),
  /** Registry of an image that names none. */
  server_address: z.string().max(255).optional(),
  identity_token: text.optional(),
  registry_token: text.optional(),
});
type ImageRequest = z.infer<typeof imageRequest>;

const state = z.union([
  z.object({ Accepted: z.string() }),
  z.object({ Started: z.string() }),
  z.object({ InProgress: z.object({ msg: z.string(), progress: z.number() }) }),
  z.object({ Created: z.string() }),
]);
const listed = z.object({
  name: z.string(),
  path_uri: z.string(),
  is_file: z.boolean(),
  size: z.number().int(),
  last_modified: z.number().int(),
  progress: z.number(),
});
/** In front of a path that a client sends back for a preview. */
const FOLDER = 'flists/';

const DOCS = {
  post: {
    id: 'convertImage',
    tag: 'images',
    summary: 'Make a flist of a registry image in the background',
    isProtected: true,
    json: imageRequest,
    answers: {
      201: { text: 'The job', schema: z.object({ id: z.string() }) },
      409: { text: 'There is such a flist already' },
    },
  },
  job: {
    id: 'getConversion',
    tag: 'images',
    summary: 'How far a job is; how it ended is told once',
    isProtected: true,
    answers: {
      200: { text: 'The state', schema: z.object({ flist_state: state }) },
      500: { text: 'It has failed' },
    },
  },
  list: {
    id: 'listByUser',
    tag: 'images',
    summary: 'Flists by repository',
    answers: { 200: { text: 'All', schema: z.record(z.string(), z.array(listed)) } },
  },
  preview: {
    id: 'previewFlist',
    tag: 'images',
    summary: 'What is in a flist, whose path_uri is one encoded segment',
    answers: {
      200: {
        text: 'Paths, stores, SHA-256',
        schema: z.object({
          content: z.array(z.string()),
          metadata: z.string(),
          checksum: z.string(),
        }),
      },
    },
  },
} satisfies Record<string, OperationDocs>;

export function imageRoutes(app: FastifyInstance, context: HubContext): void {
  addRoute(
    app,
    '/api/v1/fl',
    {
      get: async (request, reply) =>
        sendJsonText(reply, objectText(byRepository(context, request))),
      post: (request, reply) => postImage(context, request, reply),
    },
    {
      authorize: (request) => context.access.authorize(request, { right: 'publish' }),
      post: true,
    },
    { get: DOCS.list, post: DOCS.post },
  );
  addRoute(
    app,
    '/api/v1/fl/:job',
    {
      get: async (request, reply) => {
        const { user } = await context.access.authorize(request, { right: 'publish' });
        const job = context.jobs.find(parameter(request, 'job'));
        if (job?.kind !== 'image' || job.owner !== user) {
          throw new Problem(404, 'There is no such job');
        }
        const flist_state = stateOf(job);
        if (job.state !== 'running') context.jobs.forget(job.id);
        if (flist_state === undefined) throw new Problem(500, failureOf(job));
        return reply.header('cache-control', 'no-store').send({ flist_state });
      },
    },
    {},
    { get: DOCS.job },
  );
  addRoute(
    app,
    '/api/v1/fl/preview/:path',
    { get: (request, reply) => preview(context, request, reply) },
    {},
    { get: DOCS.preview },
  );
}

async function postImage(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const body = request.body as ImageRequest;
  const identity = await context.access.identify(request);
  const { user } = identity;
  if (user === undefined || !isRepositoryName(user)) {
    throw new Problem(403, 'A flist of an image needs a user with a repository');
  }
  await context.access.authorize(request, { repository: user, right: 'publish' });
  const { server_address: server } = body;
  const isBare = server !== undefined && !/^[^/]*[.:][^/]*\//.test(body.image_name);
  const image = parseImage(isBare ? `${server}/${body.image_name}` : body.image_name);
  const name = parseFlistName(image.name);
  if (name === undefined) throw new Problem(400, 'The name of the image is not allowed');
  const file = flistFile(name);
  if ((await findEntry(context.catalogue, user, file)) !== undefined) {
    throw new Problem(409, `There is a flist ${user}/${file} already`);
  }
  const target = { repository: user, file, actor: actorOf(request, identity) };
  const options = { route: baseUrl(context, request), credentials: credentialsOf(body) };
  const { id } = startConversion(context, target, image, options);
  return reply.code(201).send({ id });
}

function credentialsOf(body: ImageRequest): Credentials | undefined {
  const { username, password, auth, identity_token: identityToken, registry_token } = body;
  if (registry_token) throw new Problem(400, 'A registry_token is not supported');
  if (identityToken) return { identityToken };
  if (username && password) return { username, password };
  if (!auth) return undefined;
  const [name = '', ...rest] = Buffer.from(auth, 'base64').toString().split(':');
  return { username: name, password: rest.join(':') };
}

/** `undefined` when it has failed. */
function stateOf({ state: now, last }: Job): z.infer<typeof state> | undefined {
  if (now === 'failed') return undefined;
  if (now === 'done') return { Created: 'The flist is published' };
  if (last?.status !== 'update') return { Started: 'The job has begun' };
  return { InProgress: { msg: last.message, progress: last.progress } };
}

function failureOf({ last }: Job): string {
  return last?.status === 'error' ? last.message : 'The job has failed';
}

async function* byRepository(context: HubContext, request: FastifyRequest) {
  let current: { name: string; isSeen: boolean } | undefined;
  let items: z.infer<typeof listed>[] = [];
  for await (const { parts, value } of listAllEntries(context.catalogue)) {
    const [repository, file] = parts as [string, string];
    if (repository !== current?.name) {
      if (current?.isSeen && items.length > 0)
        yield [current.name, arrayText(each(items))] as const;
      items = [];
      const visibility = await context.access.visibility(request, [repository]);
      current = { name: repository, isSeen: visibility !== 'hidden' };
    }
    if (value.kind === 'flist') items.push(itemOf(repository, file, value));
  }
  if (current?.isSeen && items.length > 0) yield [current.name, arrayText(each(items))] as const;
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function itemOf(repository: string, name: string, flist: FlistRecord): z.infer<typeof listed> {
  return {
    name,
    path_uri: `${FOLDER}${repository}/${name}`,
    is_file: true,
    size: flist.size,
    last_modified: Math.floor(flist.updated / 1000),
    progress: 0,
  };
}

async function preview(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const path = parameter(request, 'path');
  const bare = path.startsWith(FOLDER) ? path.slice(FOLDER.length) : path;
  const [repository = '', file = '', ...rest] = bare.split('/');
  const name = parseFlistName(file);
  if (!isRepositoryName(repository) || name === undefined || rest.length > 0) {
    throw new Problem(400, 'The path is none of a flist');
  }
  const { catalogue, access } = context;
  const found = await resolveFlist(catalogue, repository, flistFile(name));
  if (found === undefined || (await access.visibility(request, found.through)) === 'hidden') {
    throw new Problem(404, 'There is no such flist');
  }
  const checksum = await sha256Of(context, found.flist);
  const { paths, metadata } = await readFlistOf(context, found.flist, ({ database, router }) => ({
    paths: [...listRecords(database)].map((entry) => Buffer.from(entry.path).toString()),
    metadata: storesOf(router),
  }));
  return reply.send({ content: paths, metadata, checksum });
}

async function sha256Of({ packages }: HubContext, { digest }: FlistRecord): Promise<string> {
  const saved = await packages.find(digest);
  if (saved === undefined) throw new Error(`Package ${digest} has no record`);
  const hash = createHash('sha256');
  for await (const piece of packages.read(saved)) hash.update(piece as Uint8Array);
  return hash.digest('hex');
}

function storesOf(router: Uint8Array | undefined): string {
  if (router === undefined) return '';
  try {
    const { pools, lookup } = parseRouter(Buffer.from(router).toString(), 'of the flist');
    const urls = lookup.flatMap((name) => (pools.get(name) ?? []).map(({ url }) => url));
    return [...new Set(urls)].join('-');
  } catch (error) {
    if (isG8Error(error, 'ERR_CONFIG')) return '';
    throw error;
  }
}
