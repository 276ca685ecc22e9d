/** Listings and contents that anyone may ask for, as the historical hub gives them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { findEntry, listEntries } from '../../catalogue/entries.ts';
import type { Entry, FlistRecord } from '../../catalogue/records.ts';
import { findRepository, listRepositories } from '../../catalogue/repositories.ts';
import { listTags } from '../../catalogue/tags.ts';
import { readFlistOf, settingsOf } from '../../flist-settings.ts';
import { visibleTo } from '../../historical/caller.ts';
import { countContents, formatContents } from '../../historical/contents.ts';
import { sourceNotFound } from '../../historical/envelope.ts';
import {
  findVisible,
  listNames,
  listRepository,
  listTagged,
  rawTarget,
  unixSeconds,
} from '../../historical/listing.ts';
import { fileOf, repositoryOf, tagOf } from '../../historical/names.ts';
import { addHistoricalRoute } from '../../historical/route.ts';
import * as shapes from '../../historical/schemas.ts';
import { isTagName } from '../../names.ts';
import type { OperationDocs } from '../../operation.ts';
import { Problem } from '../../problem.ts';
import { type Handler, type HubContext, parameter } from '../../route.ts';
import { arrayText, objectText, sendJsonText } from '../../send-json.ts';

const NO_USER = 'user not found';

/** Declares `/api/flist`, `/api/repositories` and `/api/fileslist` and what is below them. */
export function historicalPublicRoutes(scope: FastifyInstance, context: HubContext): void {
  const { catalogue } = context;
  const read = (
    url: string,
    docs: Omit<OperationDocs, 'tag' | 'answers'>,
    schema: z.ZodType,
    handler: Handler,
  ) => {
    const answers = { 200: { text: 'What was asked for', schema }, ...shapes.NOT_FOUND };
    addHistoricalRoute(scope, url, { read: { handler, docs: { tag: 'files', answers, ...docs } } });
  };

  read(
    '/api/flist',
    { id: 'listAllFiles', summary: 'Everything in all repositories, as repository/file' },
    z.array(z.string()),
    async (request, reply) => sendJsonText(reply, arrayText(allNames(context, request))),
  );
  read(
    '/api/repositories',
    { id: 'listRepositories', summary: 'All repositories' },
    z.array(z.object({ name: z.string(), official: z.boolean(), updated: z.number().int() })),
    async (request, reply) => sendJsonText(reply, arrayText(repositories(context, request))),
  );
  read(
    '/api/fileslist',
    { id: 'listAllRepositories', summary: 'Listings of all repositories' },
    z.record(z.string(), shapes.listing),
    async (request, reply) => sendJsonText(reply, objectText(listings(context, request))),
  );
  read(
    '/api/flist/:repository',
    { id: 'listRepository', summary: 'What is in a repository' },
    shapes.listing,
    async (request, reply) => {
      const repository = await seenRepository(context, request);
      const visible = visibleTo(context, request);
      return sendJsonText(reply, arrayText(listRepository(catalogue, repository, visible)));
    },
  );
  read(
    '/api/flist/:repository/tags/:tag',
    { id: 'listTag', summary: 'The links of a tag' },
    shapes.listing,
    async (request, reply) => {
      const repository = await seenRepository(context, request);
      const tag = tagOf(request, 'tag not found');
      const visible = visibleTo(context, request);
      const items = [];
      for await (const item of listTagged(catalogue, repository, tag, visible)) items.push(item);
      if (items.length === 0) throw new Problem(404, 'tag not found');
      return reply.send(items);
    },
  );
  read(
    '/api/flist/:repository/:flist',
    { id: 'listContents', summary: 'Contents of a flist' },
    shapes.contents,
    async (request, reply) => {
      const repository = await seenRepository(context, request);
      return await sendContents(context, request, reply, repository);
    },
  );
  read(
    '/api/flist/:repository/:flist/light',
    {
      id: 'getInfo',
      summary: 'Size, time, MD5 and target; the method INFO without /light as well',
    },
    shapes.flistInfo,
    async (request, reply) => {
      const repository = await seenRepository(context, request);
      return reply.send(await infoOf(context, request, repository));
    },
  );
  read(
    '/api/flist/:repository/:flist/metadata',
    { id: 'getMetadata', summary: 'Settings that go with a flist' },
    shapes.settings,
    async (request, reply) => {
      const repository = await seenRepository(context, request);
      const flist = await seenFlist(context, request, repository);
      const settings = settingsOf(await readFlistOf(context, flist, (read) => read.metadata));
      const backend = context.publicBackend;
      const isForced = backend !== undefined && settings['backend'] === undefined;
      return reply.send({ ...settings, ...(isForced && { 'backend-forced': backend }) });
    },
  );
  read(
    '/api/flist/:repository/:flist/taglink',
    { id: 'getTagLink', summary: 'The tag that a link leads to' },
    z.object({ target: z.string() }),
    async (request, reply) => {
      const repository = await seenRepository(context, request);
      const name = parameter(request, 'flist');
      const entry = isTagName(name) ? await findEntry(catalogue, repository, name) : undefined;
      if (entry?.kind !== 'taglink') throw sourceNotFound();
      return reply.send({ target: `${entry.target.repository}/tags/${entry.target.tag}` });
    },
  );
}

/** The contents dump, of the public route and of the own repository. */
export async function sendContents(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  repository: string,
): Promise<FastifyReply> {
  const flist = await seenFlist(context, request, repository);
  // The database stays in memory until the answer is sent: the counts come last, but their failures first.
  const { database, statistics } = await readFlistOf(context, flist, ({ database }) => ({
    database,
    statistics: countContents(database),
  }));
  return sendJsonText(reply, formatContents(database, statistics));
}

async function seenRepository(context: HubContext, request: FastifyRequest): Promise<string> {
  const repository = repositoryOf(request, NO_USER);
  const record = await findRepository(context.catalogue, repository);
  if (record === undefined || !(await visibleTo(context, request)(repository))) {
    throw new Problem(404, NO_USER);
  }
  return repository;
}

async function seenFlist(
  context: HubContext,
  request: FastifyRequest,
  repository: string,
): Promise<FlistRecord> {
  const file = fileOf(request, 'flist');
  const visible = visibleTo(context, request);
  const flist = await findVisible(context.catalogue, repository, file, visible);
  if (flist === undefined) throw sourceNotFound();
  return flist;
}

async function infoOf(context: HubContext, request: FastifyRequest, repository: string) {
  const file = fileOf(request, 'flist');
  const entry = await findEntry(context.catalogue, repository, file);
  const { size, updated, md5 } = await seenFlist(context, request, repository);
  const rest = { name: file, size, updated: unixSeconds(updated) };
  if (entry?.kind !== 'link') return { ...rest, type: 'regular', md5 };
  const linktime = unixSeconds(entry.linked);
  return { ...rest, type: 'symlink', linktime, target: rawTarget(repository, entry), md5 };
}

async function* seenRepositories(context: HubContext, request: FastifyRequest) {
  const visible = visibleTo(context, request);
  for await (const { parts, value } of listRepositories(context.catalogue)) {
    const name = parts[0] as string;
    if (await visible(name)) yield { name, record: value };
  }
}

async function* allNames(context: HubContext, request: FastifyRequest): AsyncGenerator<string> {
  for await (const { name } of seenRepositories(context, request)) {
    for await (const file of listNames(context.catalogue, name)) yield `${name}/${file}`;
  }
}

async function* repositories(context: HubContext, request: FastifyRequest) {
  for await (const { name, record } of seenRepositories(context, request)) {
    let updated = record.created;
    for (const tag of await listTags(context.catalogue, name)) {
      updated = Math.max(updated, tag.updated);
    }
    for await (const { value } of listEntries(context.catalogue, name)) {
      updated = Math.max(updated, timeOf(value));
    }
    yield { name, official: record.official, updated: unixSeconds(updated) };
  }
}

function timeOf(entry: Entry): number {
  return entry.kind === 'flist' ? entry.updated : entry.linked;
}

async function* listings(context: HubContext, request: FastifyRequest) {
  const visible = visibleTo(context, request);
  for await (const { name } of seenRepositories(context, request)) {
    const items = listRepository(context.catalogue, name, visible);
    yield [name, arrayText(items)] as const;
  }
}
