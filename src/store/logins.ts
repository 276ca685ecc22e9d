/**
 * Logins of hubs: which token goes where. A token is only ever sent to the hub that it is for, whoever names
 * that: as a chunk store the hub's own URL and nothing below it, and of what is below it only flists. A flist
 * comes from anywhere and names stores, and old clients' requests change things by GET.
 */
import { G8Error } from '../base/errors.ts';
import { credentialsPath } from '../base/paths.ts';
import { changeLogins, readLogins } from './login-file.ts';
import type { LoginEntries } from './login-schema.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Finds the token for a client's server, anew each time; `undefined` when there is none. */
export type FindToken = (signal?: AbortSignal) => Promise<string | undefined>;

export interface LoginOptions {
  /** Default `process.env`. */
  readonly env?: Environment;
  readonly signal?: AbortSignal | undefined;
}

export interface Login {
  readonly user: string;
  readonly token: string;
  /** The token was made for this login: nobody else uses it. */
  readonly isMade: boolean;
}

/** `/repo/name.flist` and `/repo/tags/tag/name.flist`, with what lies beside them. */
const FLIST_PATH = /^\/[^/]+\/(?:tags\/[^/]+\/)?[^/]+$/;

/** The token of the hub with this base URL. */
export function hubLogin(url: string, env: Environment = process.env): FindToken {
  return async (signal) => {
    const login = await findLogin(url, { env, signal });
    return login?.token;
  };
}

/** The token of the hub that has the flist, or what lies beside it, with this URL. */
export function flistLogin(url: string, env: Environment = process.env): FindToken {
  return async (signal) => {
    const logins = await readLogins(credentialsPath(env));
    const base = hubOfFlist(url, Object.keys(logins));
    if (base === undefined) return undefined;
    return (await loginOf(logins, base, { env, signal }))?.token;
  };
}

/**
 * @param url base URL of a hub
 * @throws ERR_PERMISSION when others may read the file, ERR_CONFIG for a broken one or a broken helper
 */
export async function findLogin(
  url: string,
  options: LoginOptions = {},
): Promise<Login | undefined> {
  const logins = await readLogins(credentialsPath(options.env ?? process.env));
  return await loginOf(logins, hubName(url), options);
}

/** The hubs that there are logins for, with their users, sorted. */
export async function listLogins(env: Environment): Promise<{ hub: string; user: string }[]> {
  const logins = await readLogins(credentialsPath(env));
  const all = Object.entries(logins).map(([hub, { user }]) => ({ hub, user }));
  return all.sort((a, b) => (a.hub < b.hub ? -1 : 1));
}

/**
 * Keeps a login, in place of another for the same hub.
 *
 * @param options.helper keeps the token instead of the file
 */
export async function saveLogin(
  url: string,
  { user, token, isMade }: Login,
  options: LoginOptions & { readonly helper?: string | undefined } = {},
): Promise<void> {
  const { env = process.env, signal, helper } = options;
  const hub = hubName(url);
  if (helper !== undefined) {
    const { storeInHelper } = await import('./credential-helper.ts');
    await storeInHelper(helper, { server: hub, username: user, secret: token }, { env, signal });
  }
  const place = helper === undefined ? { token } : { helper };
  const entry = { user, ...place, ...(isMade && { isMade }) };
  await changeLogins(credentialsPath(env), (logins) => ({ ...logins, [hub]: entry }), signal);
}

/** Forgets a login. @returns whether there was one */
export async function removeLogin(url: string, options: LoginOptions = {}): Promise<boolean> {
  const { env = process.env, signal } = options;
  const hub = hubName(url);
  const path = credentialsPath(env);
  const entry = (await readLogins(path))[hub];
  if (entry === undefined) return false;
  if (entry.helper !== undefined) {
    const { eraseFromHelper } = await import('./credential-helper.ts');
    await eraseFromHelper(entry.helper, hub, { env, signal });
  }
  await changeLogins(path, ({ [hub]: _, ...others }) => others, signal);
  return true;
}

async function loginOf(
  logins: LoginEntries,
  hub: string,
  { env = process.env, signal }: LoginOptions,
): Promise<Login | undefined> {
  const entry = Object.hasOwn(logins, hub) ? logins[hub] : undefined;
  if (entry === undefined) return undefined;
  const { user, token, helper, isMade = false } = entry;
  if (helper === undefined) return token === undefined ? undefined : { user, token, isMade };
  const { askHelper } = await import('./credential-helper.ts');
  const found = await askHelper(helper, hub, { env, signal });
  if (found === undefined) return undefined;
  return { user, token: 'password' in found ? found.password : found.identityToken, isMade };
}

/** A hub's URL as logins are kept under it. @throws ERR_CONFIG when it is not http or https */
export function hubName(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw new G8Error('ERR_CONFIG', 'The URL of a hub begins with http:// or https://');
  }
  // With its query, which makes it the name of nothing.
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}${parsed.search}`;
}

function hubOfFlist(url: string, hubs: readonly string[]): string | undefined {
  const { origin, pathname } = new URL(url);
  const place = `${origin}${pathname}`;
  return hubs.find((hub) => place.startsWith(hub) && FLIST_PATH.test(place.slice(hub.length)));
}
