/** Users: who they are, what they may upload, and signing in. The audit log, for administrators. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  ACCESS_PAGE_COUNT,
  newUser,
  signInRequest,
  type UserView,
  userChange,
} from '../../store/hub-access-protocol.ts';
import { CHALLENGE } from '../access/access.ts';
import { actorOf, listAudit, writeAudit } from '../access/audit.ts';
import { changeUser } from '../access/change-user.ts';
import { hasScope } from '../access/identity.ts';
import { sessionForPassword } from '../access/log-in.ts';
import { hashPassword } from '../access/password.ts';
import { createUser, usageOf } from '../access/users.ts';
import { parseBody } from '../body.ts';
import { USER, type User } from '../catalogue/records.ts';
import { isUserName } from '../names.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter, queryText } from '../route.ts';

export function userRoutes(app: FastifyInstance, context: HubContext): void {
  addRoute(app, '/api/v1/signin', { post: (request, reply) => signIn(context, request, reply) });
  addRoute(app, '/api/v1/user', { get: (request, reply) => whoAmI(context, request, reply) });
  addRoute(
    app,
    '/api/v1/users',
    {
      get: (request, reply) => listUsers(context, request, reply),
      post: (request, reply) => postUser(context, request, reply),
    },
    { authorize: (request) => context.access.authorizeAdmin(request), post: true },
  );
  addRoute(
    app,
    '/api/v1/users/:user',
    {
      get: (request, reply) => getUser(context, request, reply),
      patch: (request, reply) => patchUser(context, request, reply),
    },
    { authorize: (request) => context.access.authorize(request, { right: 'manage' }) },
  );
  addRoute(app, '/api/v1/audit', {
    get: async (request, reply) => {
      await context.access.authorizeAdmin(request);
      const after = queryText(request, 'after');
      const { lines, next } = await listAudit(context.catalogue, after, ACCESS_PAGE_COUNT);
      const shown = lines.map(({ time, ...line }) => ({ time: isoOf(time), ...line }));
      return reply.header('cache-control', 'no-store').send({ lines: shown, next });
    },
  });
}

async function signIn(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { username, password, scope = 'publish' } = parseBody(request, signInRequest);
  const session = await sessionForPassword(context, request, { user: username, password, scope });
  reply.code(201).header('cache-control', 'no-store');
  return reply.send({ access_token: session });
}

async function whoAmI(
  { access }: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const identity = await access.identify(request);
  const { user, isAdmin, scope } = identity;
  if (user === undefined) throw new Problem(401, 'This needs credentials', CHALLENGE);
  reply.header('cache-control', 'no-store');
  return reply.send({ name: user, role: isAdmin ? 'admin' : 'user', scope });
}

async function listUsers(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  await context.access.authorizeAdmin(request);
  const after = queryText(request, 'after');
  const users: UserView[] = [];
  const options = { after: after === undefined ? undefined : [after] };
  for await (const { parts, value } of context.catalogue.list(USER, [], options)) {
    if (users.length === ACCESS_PAGE_COUNT) {
      return reply.send({ users, next: users.at(-1)?.name });
    }
    users.push(await viewOf(context, parts[0] as string, value));
  }
  return reply.header('cache-control', 'no-store').send({ users });
}

async function postUser(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { name, role = 'user', password, quota } = parseBody(request, newUser);
  if (!isUserName(name)) throw new Problem(400, 'The user name is not allowed');
  const actor = actorOf(request, await context.access.identify(request));
  const hash = password === undefined ? undefined : await hashPassword(password);
  const isMade = await context.catalogue.transaction(async (transaction) => {
    const made = await createUser(transaction, name, { role, password: hash, quota });
    if (made) writeAudit(transaction, actor, 'user.create', name);
    return made;
  });
  if (!isMade) throw new Problem(409, 'There is a user or a repository of that name');
  return reply.code(201).send(await userOf(context, name));
}

async function getUser(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const name = parameter(request, 'user');
  const identity = await context.access.identify(request);
  if (identity.user !== name) await context.access.authorizeAdmin(request);
  return reply.header('cache-control', 'no-store').send(await userOf(context, name));
}

async function patchUser(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { access } = context;
  const name = parameter(request, 'user');
  const change = parseBody(request, userChange);
  const identity = await access.identify(request);
  // Their own password is all that users may change about themselves.
  const isOwnPassword = Object.keys(change).every((key) => key === 'password');
  const isOwn = identity.user === name && hasScope(identity, 'admin') && isOwnPassword;
  if (!isOwn) await access.authorizeAdmin(request);
  await changeUser(context, actorOf(request, identity), name, change);
  return reply.send(await userOf(context, name));
}

async function userOf(context: HubContext, name: string): Promise<UserView> {
  const user = isUserName(name) ? await context.catalogue.get(USER, name) : undefined;
  if (user === undefined) throw new Problem(404, 'There is no such user');
  return await viewOf(context, name, user);
}

async function viewOf({ catalogue }: HubContext, name: string, user: User): Promise<UserView> {
  return {
    name,
    role: user.role,
    disabled: user.disabled,
    hasPassword: user.password !== undefined,
    ...(user.quota !== undefined && { quota: user.quota }),
    used: await usageOf(catalogue, name),
    created: isoOf(user.created),
  };
}

function isoOf(time: number): string {
  return new Date(time).toISOString();
}
