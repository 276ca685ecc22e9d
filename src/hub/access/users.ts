/** Users and their tokens in the catalogue. Names are valid already (`names.ts`). */
import type { Catalogue, Transaction } from '../catalogue/catalogue.ts';
import {
  REPOSITORY,
  type Scope,
  TOKEN,
  type Token,
  USAGE,
  USER,
  type User,
} from '../catalogue/records.ts';
import { hashSecret, makeToken } from './token.ts';

/** Tokens of one user. */
export const TOKEN_COUNT_MAX = 100;

export interface NewToken {
  readonly user: string;
  readonly scope: Scope;
  readonly note: string;
  /** Unix milliseconds; absent: no end. */
  readonly expires?: number | undefined;
}

/**
 * Makes a user. A repository of that name which nobody owns becomes theirs.
 *
 * @returns false when there is one, or somebody else has a repository of that name
 */
export async function createUser(
  transaction: Transaction,
  name: string,
  { role, password, quota }: Pick<User, 'role' | 'password' | 'quota'>,
): Promise<boolean> {
  const repository = await transaction.get(REPOSITORY, name);
  if ((await transaction.get(USER, name)) !== undefined) return false;
  if (repository?.owner !== undefined && repository.owner !== name) return false;
  const now = Date.now();
  transaction.put(USER, [name], {
    role,
    disabled: false,
    created: now,
    sessionsFrom: now,
    ...(password !== undefined && { password }),
    ...(quota !== undefined && { quota }),
  });
  if (repository !== undefined) transaction.put(REPOSITORY, [name], { ...repository, owner: name });
  return true;
}

/** Makes a token; `text` is what its owner gets, once. */
export function createToken(
  transaction: Transaction,
  { user, scope, note, expires }: NewToken,
): { id: string; text: string } {
  const { id, secret, text } = makeToken();
  transaction.put(TOKEN, [id], {
    user,
    hash: hashSecret(secret),
    scope,
    note,
    created: Date.now(),
    ...(expires !== undefined && { expires }),
  });
  return { id, text };
}

/** The tokens of a user, or of all. */
export async function listTokens(
  catalogue: Catalogue,
  user?: string,
): Promise<(Token & { id: string })[]> {
  const tokens: (Token & { id: string })[] = [];
  for await (const { parts, value } of catalogue.list(TOKEN)) {
    if (user === undefined || value.user === user) tokens.push({ ...value, id: parts[0] ?? '' });
  }
  return tokens;
}

/** Bytes that a user with a quota has uploaded. */
export async function usageOf(catalogue: Catalogue, user: string): Promise<number> {
  return (await catalogue.get(USAGE, user))?.bytes ?? 0;
}

/** Names of the administrators who can still act, but for one. */
export async function otherAdmins(catalogue: Catalogue, name: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { parts, value } of catalogue.list(USER)) {
    if (isActiveAdmin(value) && parts[0] !== name) names.push(parts[0] as string);
  }
  return names;
}

export function isActiveAdmin(user: User | undefined): boolean {
  return user?.role === 'admin' && !user.disabled;
}
