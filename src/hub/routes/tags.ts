/** Tags: named sets of links to flists, of one repository. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { tagRequest } from '../../store/hub-protocol.ts';
import { actorOf } from '../access/audit.ts';
import { audited } from '../access/audited.ts';
import { assertRepositoryName } from '../assert-name.ts';
import { parseBody } from '../body.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { deleteTag, putTag } from '../catalogue/tags.ts';
import { flistFile, isTagName, parseFlistName } from '../names.ts';
import { readableFlist } from '../present-flist.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter } from '../route.ts';

export function tagRoutes(app: FastifyInstance, context: HubContext): void {
  addRoute(
    app,
    '/api/v1/tags/:repository/:tag/:name',
    {
      put: (request, reply) => setLink(context, request, reply),
      delete: (request, reply) => removeLink(context, request, reply),
    },
    {
      authorize: async (request) => {
        const { repository } = linkOf(request);
        await context.access.authorize(request, { repository, right: 'publish' });
      },
    },
  );
}

interface TagLink {
  readonly repository: string;
  readonly tag: string;
  readonly file: string;
}

async function setLink(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const link = linkOf(request);
  const { from } = parseBody(request, tagRequest);
  const target = await readableFlist(context, request, from);
  const { user: owner } = await context.access.identify(request);
  const log = await logged(context, request, 'tag.set', link);
  const isSet = await putTag(log, { ...link, owner }, target);
  // Removed since it was looked up.
  if (!isSet) throw new Problem(404, 'There is no such flist');
  return reply.code(204).send();
}

async function removeLink(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const link = linkOf(request);
  const log = await logged(context, request, 'tag.remove', link);
  const isGone = await deleteTag(log, link.repository, link.tag, link.file);
  if (!isGone) throw new Problem(404, 'There is no such link in the tag');
  return reply.code(204).send();
}

async function logged(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  action: string,
  { repository, tag, file }: TagLink,
): Promise<Catalogue> {
  const actor = actorOf(request, await access.identify(request));
  return audited(catalogue, actor, action, `${repository}/${tag}/${file}`);
}

/** @throws Problem 400 */
function linkOf(request: FastifyRequest): TagLink {
  const repository = parameter(request, 'repository');
  const tag = parameter(request, 'tag');
  const name = parseFlistName(parameter(request, 'name'));
  assertRepositoryName(repository);
  if (!isTagName(tag)) throw new Problem(400, 'The tag is not allowed');
  if (name === undefined) throw new Problem(400, 'The flist name is not allowed');
  return { repository, tag, file: flistFile(name) };
}
