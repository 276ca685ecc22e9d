/** Tokens: made once, shown once, revoked for good. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { newToken, type TokenView } from '../../store/hub-access-protocol.ts';
import { CHALLENGE } from '../access/access.ts';
import { actorOf, writeAudit } from '../access/audit.ts';
import { type Identity, isHubAdmin } from '../access/identity.ts';
import { createToken, listTokens, TOKEN_COUNT_MAX } from '../access/users.ts';
import { parseBody } from '../body.ts';
import { TOKEN, type Token, USER } from '../catalogue/records.ts';
import { isUserName } from '../names.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter, queryText } from '../route.ts';

const DAYS = 90;
const DAY_MS = 86_400_000;

export function tokenRoutes(app: FastifyInstance, context: HubContext): void {
  addRoute(
    app,
    '/api/v1/tokens',
    {
      get: (request, reply) => getTokens(context, request, reply),
      post: (request, reply) => postToken(context, request, reply),
    },
    {
      // A token that leaks must not beget others that outlive it.
      authorize: (request) => context.access.authorize(request, { right: 'manage' }),
      post: true,
    },
  );
  addRoute(app, '/api/v1/tokens/:token', {
    delete: (request, reply) => deleteToken(context, request, reply),
  });
}

async function getTokens(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const identity = await access.authorize(request, { right: 'manage' });
  const user = queryText(request, 'user') ?? userOf(identity);
  if (user !== identity.user) await access.authorizeAdmin(request);
  const tokens = await listTokens(catalogue, user);
  reply.header('cache-control', 'no-store');
  return reply.send({ tokens: tokens.map(({ id, ...token }) => viewOf(id, token)) });
}

async function postToken(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const identity = await access.identify(request);
  const { scope, note = '', days = DAYS, user = userOf(identity) } = parseBody(request, newToken);
  if (user !== identity.user) await access.authorizeAdmin(request);
  if (!isUserName(user)) throw new Problem(404, 'There is no such user');
  if ((await listTokens(catalogue, user)).length >= TOKEN_COUNT_MAX) {
    throw new Problem(409, `A user has ${TOKEN_COUNT_MAX} tokens at most: revoke some`);
  }
  const expires = Date.now() + days * DAY_MS;
  const made = await catalogue.transaction(async (transaction) => {
    if ((await transaction.get(USER, user)) === undefined) {
      throw new Problem(404, 'There is no such user');
    }
    const { id, text } = createToken(transaction, { user, scope, note, expires });
    writeAudit(transaction, actorOf(request, identity), 'token.create', `${user}: ${id} ${scope}`);
    return { token: text, ...viewOf(id, (await transaction.get(TOKEN, id)) as Token) };
  });
  return reply.code(201).header('cache-control', 'no-store').send(made);
}

/** Its owner's, an administrator's, or with itself: whoever finds a token may end it. */
async function deleteToken(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const identity = await access.identify(request);
  const id = parameter(request, 'token');
  if (identity.token !== id) await access.authorize(request, { right: 'manage' });
  const token = /^[0-9a-f]{16}$/.test(id) ? await catalogue.get(TOKEN, id) : undefined;
  if (token === undefined || (token.user !== identity.user && !isHubAdmin(identity))) {
    throw new Problem(404, 'There is no such token');
  }
  await catalogue.transaction(async (transaction) => {
    transaction.delete(TOKEN, [id]);
    writeAudit(transaction, actorOf(request, identity), 'token.revoke', `${token.user}: ${id}`);
  });
  return reply.code(204).send();
}

function userOf(identity: Identity): string {
  if (identity.user === undefined) throw new Problem(401, 'This needs credentials', CHALLENGE);
  return identity.user;
}

function viewOf(id: string, token: Token): TokenView {
  const { user, scope, note, created, expires, used } = token;
  const iso = (time: number) => new Date(time).toISOString();
  return {
    id,
    user,
    scope,
    note,
    created: iso(created),
    ...(expires !== undefined && { expires: iso(expires) }),
    ...(used !== undefined && { used: iso(used) }),
  };
}
