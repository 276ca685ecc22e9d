/** Repositories: making them, who may see them, and their members. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  ACCESS_PAGE_COUNT,
  memberRequest,
  newRepository,
  type RepositoryView,
  repositoryChange,
} from '../../store/hub-access-protocol.ts';
import { actorOf, writeAudit } from '../access/audit.ts';
import { changeRepository, type MemberRight, setMember } from '../access/change-repository.ts';
import { type Identity, mayAccess } from '../access/identity.ts';
import { assertRepositoryName } from '../assert-name.ts';
import { parseBody } from '../body.ts';
import { REPOSITORY, type Repository } from '../catalogue/records.ts';
import { ensureRepository, findRepository, listRepositories } from '../catalogue/repositories.ts';

import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter, queryText } from '../route.ts';

export function repositoryRoutes(app: FastifyInstance, context: HubContext): void {
  const guard = {
    authorize: (request: FastifyRequest) =>
      context.access.authorize(request, { repository: repositoryOf(request), right: 'manage' }),
  };
  addRoute(
    app,
    '/api/v1/repositories',
    {
      get: (request, reply) => getRepositories(context, request, reply),
      post: (request, reply) => postRepository(context, request, reply),
    },
    { authorize: (request) => context.access.authorize(request, { right: 'publish' }), post: true },
  );
  addRoute(
    app,
    '/api/v1/repositories/:repository',
    {
      get: async (request, reply) => {
        const name = repositoryOf(request);
        const identity = await context.access.authorize(request, {
          repository: name,
          right: 'read',
        });
        const repository = await findRepository(context.catalogue, name);
        if (repository === undefined) throw absent();
        return reply.send(viewOf(identity, name, repository));
      },
      patch: (request, reply) => patchRepository(context, request, reply),
    },
    guard,
  );
  addRoute(
    app,
    '/api/v1/repositories/:repository/members/:user',
    {
      put: async (request, reply) => {
        const { right } = parseBody(request, memberRequest);
        await changeMember(context, request, right);
        return reply.code(204).send();
      },
      delete: async (request, reply) => {
        await changeMember(context, request, undefined);
        return reply.code(204).send();
      },
    },
    guard,
  );
}

async function getRepositories(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const identity = await access.identify(request);
  const after = queryText(request, 'after');
  const repositories: RepositoryView[] = [];
  const options = { after: after === undefined ? undefined : [after] };
  for await (const { parts, value } of listRepositories(catalogue, options)) {
    const name = parts[0] as string;
    if (!mayAccess(identity, name, value, 'read')) continue;
    if (repositories.length === ACCESS_PAGE_COUNT) {
      return reply.send({ repositories, next: repositories.at(-1)?.name });
    }
    repositories.push(viewOf(identity, name, value));
  }
  return reply.send({ repositories });
}

async function postRepository(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { access, catalogue } = context;
  const { name, visibility = 'public' } = parseBody(request, newRepository);
  assertRepositoryName(name);
  const identity = await access.identify(request);
  if ((await findRepository(catalogue, name)) !== undefined) throw taken();
  await access.authorize(request, { repository: name, right: 'publish' });
  const { user } = identity;
  if (visibility === 'private' && user === undefined) {
    throw new Problem(400, 'What is private needs an owner');
  }
  const made = await catalogue.transaction(async (transaction) => {
    if ((await transaction.get(REPOSITORY, name)) !== undefined) throw taken();
    const repository = { ...(await ensureRepository(transaction, name, user)), visibility };
    transaction.put(REPOSITORY, [name], repository);
    writeAudit(transaction, actorOf(request, identity), 'repository.create', name);
    return repository;
  });
  return reply.code(201).send(viewOf(identity, name, made));
}

async function patchRepository(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { access } = context;
  const name = repositoryOf(request);
  const change = parseBody(request, repositoryChange);
  const identity = await access.identify(request);
  const { owner, official } = change;
  if (owner !== undefined || official !== undefined) await access.authorizeAdmin(request);
  const changed = await changeRepository(context, actorOf(request, identity), name, change);
  return reply.send(viewOf(identity, name, changed));
}

/** Gives a user a right, another right, or with `undefined` none. */
async function changeMember(
  context: HubContext,
  request: FastifyRequest,
  right: MemberRight | undefined,
): Promise<void> {
  const actor = actorOf(request, await context.access.identify(request));
  const user = parameter(request, 'user');
  await setMember(context, actor, repositoryOf(request), { user, right });
}

function viewOf(identity: Identity, name: string, repository: Repository): RepositoryView {
  const { owner, visibility, official, created, members } = repository;
  return {
    name,
    ...(owner !== undefined && { owner }),
    visibility,
    official,
    created: new Date(created).toISOString(),
    ...(mayAccess(identity, name, repository, 'manage') && { members }),
  };
}

function repositoryOf(request: FastifyRequest): string {
  const name = parameter(request, 'repository');
  assertRepositoryName(name);
  return name;
}

function absent(): Problem {
  return new Problem(404, 'There is no such repository');
}

function taken(): Problem {
  return new Problem(409, 'There is a repository of that name');
}
