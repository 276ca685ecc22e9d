/** The own repository: links, tags, names. Old clients change things by GET; POST and PUT do the same. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { audited } from '../../access/audited.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import {
  deleteEntry,
  findEntry,
  putFlist,
  renameEntry,
  resolveFlist,
} from '../../catalogue/entries.ts';
import { type LinkOutcome, putLink, putTagLink } from '../../catalogue/links.ts';
import { findRepository } from '../../catalogue/repositories.ts';
import { deleteTag, putTag } from '../../catalogue/tags.ts';
import { grantPackage } from '../../grant.ts';
import { type Caller, callerOf, visibleTo } from '../../historical/caller.ts';
import { sourceNotFound, succeed } from '../../historical/envelope.ts';
import { findVisible } from '../../historical/listing.ts';
import { fileOf, newFileOf, newTagOf, repositoryOf, tagOf } from '../../historical/names.ts';
import { addHistoricalRoute, type HistoricalOperation } from '../../historical/route.ts';
import { contents, DONE, NOT_FOUND, success } from '../../historical/schemas.ts';
import { isTagName } from '../../names.ts';
import type { AnswerDocs } from '../../operation.ts';
import { Problem } from '../../problem.ts';
import { type HubContext, parameter } from '../../route.ts';
import { sendContents } from './public.ts';

/** The repository that a request is about. */
interface Own extends Caller {
  /** The catalogue, in which changes are logged as the caller's, with what they are made to. */
  write(name: string): Catalogue;
}

type Action = (request: FastifyRequest, reply: FastifyReply, own: Own) => Promise<unknown>;

const REFUSED = { 401: { text: 'Not logged in, or the name belongs to a flist' } };
const OCCUPIED = 'link destination is already a file';

/** Declares what is below `/api/flist/me`, but for uploads. */
export function historicalMeRoutes(scope: FastifyInstance, context: HubContext): void {
  const { catalogue } = context;
  const operation = (
    id: string,
    summary: string,
    action: Action,
    answers: Readonly<Record<number, AnswerDocs>> = DONE,
    right: 'read' | 'publish' = 'publish',
  ): HistoricalOperation => ({
    docs: {
      id,
      summary,
      tag: 'me',
      answers: { ...answers, ...REFUSED, ...NOT_FOUND },
      isProtected: true,
    },
    handler: async (request, reply) => {
      const caller = await callerOf(context, request, right);
      const { user, actor } = caller;
      const write = (name: string) =>
        audited(catalogue, actor, `historical.${id}`, `${user}/${name}`);
      return await action(request, reply, { ...caller, write });
    },
  });

  const whoAmI = success(z.object({ username: z.string() }));
  addHistoricalRoute(scope, '/api/flist/me', {
    read: operation(
      'getMe',
      'Who the caller is',
      async (_request, reply, { user }) => succeed(reply, { username: user }),
      { 200: { text: 'The user', schema: whoAmI } },
      'read',
    ),
  });
  addHistoricalRoute(scope, '/api/flist/me/:flist', {
    read: operation(
      'listOwnContents',
      'Contents of an own flist',
      (request, reply, { user }) => sendContents(context, request, reply, user),
      { 200: { text: 'The contents', schema: contents } },
      'read',
    ),
    delete: operation(
      'deleteOwn',
      'Remove a flist or link, or else the link to a tag of this name',
      async (request, reply, { user, write }) => {
        const name = parameter(request, 'flist');
        const log = write(name);
        const isGone =
          (await deleteEntry(log, user, fileOf(request, 'flist'))) !== undefined ||
          (isTagName(name) && (await deleteEntry(log, user, name)) !== undefined);
        if (!isGone) throw sourceNotFound();
        return succeed(reply);
      },
    ),
  });
  addHistoricalRoute(scope, '/api/flist/me/:source/link/:linkname', {
    change: operation(
      'link',
      'Link to an own flist',
      async (request, reply, { user, owner, write }) => {
        const file = newFileOf(request, 'linkname');
        const target = { repository: user, file: fileOf(request, 'source') };
        if (target.file === file) throw new Problem(401, OCCUPIED);
        answerLink(await putLink(write(file), { repository: user, file, owner }, target));
        return succeed(reply);
      },
    ),
  });
  addHistoricalRoute(scope, '/api/flist/me/:linkname/crosslink/:repository/:source', {
    change: operation(
      'crosslink',
      'Link to a flist of another repository',
      async (request, reply, { user, owner, write }) => {
        const file = newFileOf(request, 'linkname');
        const target = await readableSource(context, request);
        answerLink(await putLink(write(file), { repository: user, file, owner }, target));
        return succeed(reply);
      },
    ),
  });
  addHistoricalRoute(scope, '/api/flist/me/:source/rename/:destination', {
    change: operation(
      'rename',
      'Rename a flist or link, in place of what has the name',
      async (request, reply, { user, write }) => {
        const to = newFileOf(request, 'destination');
        const from = fileOf(request, 'source');
        const isThere = await renameEntry(write(`${from} to ${to}`), user, from, to);
        if (!isThere) throw sourceNotFound();
        return succeed(reply);
      },
    ),
  });
  addHistoricalRoute(scope, '/api/flist/me/promote/:repository/:source/:localname', {
    change: promoteOperation(context, operation),
  });
  addHistoricalRoute(scope, '/api/flist/me/:tag/:name/tag/:repository/:flist', {
    change: operation(
      'tag',
      'Set a link of an own tag, which is made when it is the first',
      async (request, reply, { user, owner, write }) => {
        const tag = newTagOf(request);
        const file = newFileOf(request, 'name');
        const target = await readableSource(context, request, 'flist');
        const isSet = await putTag(
          write(`${tag}/${file}`),
          { repository: user, tag, file, owner },
          target,
        );
        if (!isSet) throw sourceNotFound();
        return succeed(reply);
      },
    ),
    delete: operation(
      'untag',
      'Remove a link of a tag',
      async (request, reply, { user, write }) => {
        const missing = 'target not found on this tag';
        const tag = tagOf(request, missing);
        const file = fileOf(request, 'name');
        const isGone = await deleteTag(write(`${tag}/${file}`), user, tag, file);
        if (!isGone) throw new Problem(404, missing);
        return succeed(reply);
      },
    ),
  });
  addHistoricalRoute(scope, '/api/flist/me/:linkname/crosstag/:repository/:tag', {
    change: operation(
      'crosstag',
      'Link to a tag',
      async (request, reply, { user, owner, write }) => {
        const name = parameter(request, 'linkname');
        if (name.endsWith('.flist')) {
          throw new Problem(401, 'tag symlink cannot ends with .flist');
        }
        if (!isTagName(name)) throw new Problem(400, 'this name is not allowed');
        const missing = 'source tag not found';
        const target = { repository: repositoryOf(request, missing), tag: tagOf(request, missing) };
        if (!(await visibleTo(context, request)(target.repository)))
          throw new Problem(404, missing);
        const link = { repository: user, name, owner };
        const outcome = await putTagLink(write(name), link, target);
        if (outcome === 'absent') throw new Problem(404, missing);
        if (outcome === 'occupied') {
          throw new Problem(401, 'there is a .flist file with the same name existing already');
        }
        return succeed(reply);
      },
    ),
    delete: operation(
      'uncrosstag',
      'Remove a link to a tag',
      async (request, reply, { user, write }) => {
        const name = parameter(request, 'linkname');
        const entry = isTagName(name) ? await findEntry(catalogue, user, name) : undefined;
        if (entry?.kind !== 'taglink') throw sourceNotFound();
        await deleteEntry(write(name), user, name);
        return succeed(reply);
      },
    ),
  });
}

const place = z.object({ username: z.string(), filename: z.string() });
const promoted = success(z.object({ source: place, destination: place }));

function promoteOperation(
  context: HubContext,
  operation: (
    id: string,
    summary: string,
    action: Action,
    answers: Readonly<Record<number, AnswerDocs>>,
  ) => HistoricalOperation,
): HistoricalOperation {
  const { catalogue } = context;
  return operation(
    'promote',
    'Copy a flist into the own repository, in place of what has the name',
    async (request, reply, { user, owner, actor, write }) => {
      const file = newFileOf(request, 'localname');
      const source = await readableSource(context, request);
      const found = await resolveFlist(catalogue, source.repository, source.file);
      if (found === undefined) throw sourceNotFound();
      const { digest } = found.flist;
      await grantPackage(context, actor.identity, digest, user);
      const flist = { repository: user, file, digest, uploader: owner };
      // Gone between the two look-ups when there is nothing to copy.
      if ((await putFlist(write(file), flist)) === undefined) throw sourceNotFound();
      return succeed(reply, {
        source: { username: source.repository, filename: source.file },
        destination: { username: user, filename: file },
      });
    },
    { 200: { text: 'What was copied to where', schema: promoted } },
  );
}

/** A flist or link of a repository that the caller may read. @throws Problem 404 */
async function readableSource(
  context: HubContext,
  request: FastifyRequest,
  name = 'source',
): Promise<{ repository: string; file: string }> {
  const missing = 'source repository not found';
  const repository = repositoryOf(request, missing);
  const visible = visibleTo(context, request);
  const record = await findRepository(context.catalogue, repository);
  if (record === undefined || !(await visible(repository))) throw new Problem(404, missing);
  const file = fileOf(request, name);
  if ((await findVisible(context.catalogue, repository, file, visible)) === undefined) {
    throw sourceNotFound();
  }
  return { repository, file };
}

function answerLink(outcome: LinkOutcome): void {
  if (outcome === 'absent') throw sourceNotFound();
  if (outcome === 'occupied') throw new Problem(401, OCCUPIED);
}
