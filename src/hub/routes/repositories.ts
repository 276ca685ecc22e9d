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
import { type Identity, mayAccess } from '../access/identity.ts';
import { parseBody } from '../body.ts';
import type { Transaction } from '../catalogue/catalogue.ts';
import { REPOSITORY, type Repository, USER } from '../catalogue/records.ts';
import { ensureRepository, findRepository, listRepositories } from '../catalogue/repositories.ts';
import { grantRepository } from '../grant.ts';
import { isRepositoryName, isUserName } from '../names.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter, queryText } from '../route.ts';

const MEMBER_COUNT_MAX = 1000;

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
        await setMember(context, request, right);
        return reply.code(204).send();
      },
      delete: async (request, reply) => {
        await setMember(context, request, undefined);
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
  if (!isRepositoryName(name)) throw new Problem(400, 'The repository name is not allowed');
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
  const { access, catalogue } = context;
  const name = repositoryOf(request);
  const { visibility, owner, official } = parseBody(request, repositoryChange);
  const identity = await access.identify(request);
  if (owner !== undefined || official !== undefined) await access.authorizeAdmin(request);
  const next = await catalogue.transaction(async (transaction) => {
    const repository = await presentIn(transaction, identity, name);
    if (owner !== undefined) await assertUser(transaction, owner);
    const wanted = {
      ...repository,
      visibility: visibility ?? repository.visibility,
      official: official ?? repository.official,
      ...(owner !== undefined && { owner }),
    };
    if (wanted.visibility === 'private' && wanted.owner === undefined) {
      throw new Problem(409, 'What is private needs an owner');
    }
    transaction.put(REPOSITORY, [name], wanted);
    const what = Object.entries({ visibility, owner, official })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${value}`);
    const target = `${name}: ${what.join(' ')}`;
    writeAudit(transaction, actorOf(request, identity), 'repository.change', target);
    return wanted;
  });
  // Also when it was public already: a hub that was killed here is asked again.
  if (visibility === 'public') await grantRepository(context, identity, name);
  return reply.send(viewOf(identity, name, next));
}

/** Gives a user a right, another right, or with `undefined` none. */
async function setMember(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  right: 'read' | 'publish' | undefined,
): Promise<void> {
  const name = repositoryOf(request);
  const user = parameter(request, 'user');
  const identity = await access.identify(request);
  await catalogue.transaction(async (transaction) => {
    const repository = await presentIn(transaction, identity, name);
    const members = repository.members.filter((member) => member.user !== user);
    if (right === undefined && members.length === repository.members.length) {
      throw new Problem(404, 'There is no such member');
    }
    if (right !== undefined) {
      await assertUser(transaction, user);
      if (members.length >= MEMBER_COUNT_MAX) {
        throw new Problem(409, `A repository has ${MEMBER_COUNT_MAX} members at most`);
      }
      members.push({ user, right });
    }
    transaction.put(REPOSITORY, [name], { ...repository, members });
    const target = `${name}: ${user} ${right ?? 'none'}`;
    writeAudit(transaction, actorOf(request, identity), 'repository.member', target);
  });
}

/** The repository, if the identity may manage it still. */
async function presentIn(
  transaction: Transaction,
  identity: Identity,
  name: string,
): Promise<Repository> {
  const repository = await transaction.get(REPOSITORY, name);
  if (repository === undefined || !mayAccess(identity, name, repository, 'manage')) throw absent();
  return repository;
}

async function assertUser(transaction: Transaction, name: string): Promise<void> {
  const user = isUserName(name) ? await transaction.get(USER, name) : undefined;
  if (user === undefined) throw new Problem(404, 'There is no such user');
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
  if (!isRepositoryName(name)) throw new Problem(400, 'The repository name is not allowed');
  return name;
}

function absent(): Problem {
  return new Problem(404, 'There is no such repository');
}

function taken(): Problem {
  return new Problem(409, 'There is a repository of that name');
}
