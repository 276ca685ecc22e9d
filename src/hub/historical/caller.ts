/** Who calls a historical route, in the words of the historical hub when he may not. */
import type { FastifyRequest } from 'fastify';
import { CHALLENGE, CredentialsProblem } from '../access/access.ts';
import { type Actor, actorOf } from '../access/audit.ts';
import type { Identity } from '../access/identity.ts';
import { isRepositoryName } from '../names.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';
import type { Visible } from './listing.ts';

/** Whose repository it is that programs of this machine write into without credentials. */
const ADMINISTRATOR = 'Administrator';

export interface Caller {
  /** Whose repository `/api/flist/me` is. */
  readonly user: string;
  /** Who owns the repository if this makes it; nobody when the caller is anonymous. */
  readonly owner: string | undefined;
  /** Who it really is, for the audit log. */
  readonly actor: Actor;
}

/** @throws Problem when the caller may not read (`publish`: change) the repository */
export async function callerOf(
  context: HubContext,
  request: FastifyRequest,
  right: 'read' | 'publish' = 'publish',
): Promise<Caller> {
  if (context.readOnly) throw new Problem(400, 'readonly mode');
  const identity = await identify(context, request);
  const actor = actorOf(request, identity);
  if (identity.user === undefined) return { user: ADMINISTRATOR, owner: undefined, actor };
  const user = await actingUser(context, request, identity.user);
  if (right === 'publish') {
    if (!isRepositoryName(user)) throw new Problem(403, `the user ${user} has no repository`);
    await context.access.authorize(request, { repository: user, right });
  }
  return { user, owner: user, actor };
}

async function identify({ access }: HubContext, request: FastifyRequest): Promise<Identity> {
  let identity: Identity;
  try {
    identity = await access.identify(request);
  } catch (error) {
    if (!(error instanceof CredentialsProblem)) throw error;
    if (error.kind === 'malformed') throw new Problem(400, 'invalid authorization header');
    const isJwt = request.headers.authorization?.includes('.');
    throw isJwt ? new Problem(403, 'invalid token') : new Problem(401, 'invalid signature');
  }
  const isAnonymous = identity.user === undefined;
  // A page anywhere can make a browser of this machine ask by GET, which changes things here.
  if (isAnonymous && (identity.scope === 'read' || isCrossSite(request))) {
    throw new Problem(401, 'no authorization provided', CHALLENGE);
  }
  return identity;
}

/** The user of the cookie `active-user`, if the caller may publish for him; else the caller. */
async function actingUser(
  { access }: HubContext,
  request: FastifyRequest,
  user: string,
): Promise<string> {
  const name = cookieOf(request, 'active-user');
  if (name === undefined || name === user || !isRepositoryName(name)) return user;
  try {
    await access.authorize(request, { repository: name, right: 'publish' });
    return name;
  } catch (error) {
    if (error instanceof Problem && [401, 403, 404].includes(error.status)) return user;
    throw error;
  }
}

function cookieOf(request: FastifyRequest, name: string): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = pair.trim().split('=', 2);
    if (key === name && value !== undefined) return value.replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

function isCrossSite(request: FastifyRequest): boolean {
  const site = request.headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

/** Whether whoever asks may read a repository. */
export function visibleTo({ access }: HubContext, request: FastifyRequest): Visible {
  return async (repository) => (await access.visibility(request, [repository])) !== 'hidden';
}
