/** Sessions for those who know a password, or hold a token. */
import type { FastifyRequest } from 'fastify';
import { type Scope, USER } from '../catalogue/records.ts';
import { isUserName } from '../names.ts';
import type { HubContext } from '../route.ts';
import { CredentialsProblem } from './access.ts';
import { passwordMatches } from './password.ts';

type LogInContext = Pick<HubContext, 'access' | 'catalogue' | 'sessions'>;

/** @throws CredentialsProblem 401 when one of both is wrong, Problem 429 after too many of them */
export async function sessionForPassword(
  { access, catalogue, sessions }: LogInContext,
  request: FastifyRequest,
  { user: name, password, scope }: { user: string; password: string; scope: Scope },
): Promise<string> {
  access.failures.assertFree(request.ip);
  const user = isUserName(name) ? await catalogue.get(USER, name) : undefined;
  const matches = await passwordMatches(user?.password, password);
  if (!matches || user === undefined || user.disabled) {
    access.failures.add(request.ip);
    throw new CredentialsProblem('wrong', 'The user or the password is wrong');
  }
  return await sessions.make(name, scope);
}

/** A session that may do what the token may. @throws as {@link sessionForPassword} */
export async function sessionForToken(
  { access, sessions }: LogInContext,
  request: FastifyRequest,
  token: string,
): Promise<string> {
  const { user, scope } = await access.check(request, `Bearer ${token}`);
  if (user === undefined) throw new CredentialsProblem('wrong', 'The token is not valid');
  return await sessions.make(user, scope);
}
