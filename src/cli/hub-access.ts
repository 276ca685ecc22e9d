/** What the commands that talk to a hub share: which hub, names of flists on it, clients with the login. */
import { G8Error } from '../base/errors.ts';
import type { HubAdmin } from '../store/hub-admin.ts';
import type { HubClient } from '../store/hub-client.ts';
import type { Context } from './context.ts';

/** A flist on a hub. */
export interface HubFlist {
  /** Base URL of the hub. */
  readonly hub: string;
  readonly repository: string;
  /** Without extension. */
  readonly name: string;
}

/** {@link parseHubFlist} with the hub of the configuration. */
export async function hubFlist(context: Context, text: string): Promise<HubFlist> {
  const { loadConfig } = await import('../config/config.ts');
  return parseHubFlist(text, (await loadConfig(context.env)).get('hub'));
}

/**
 * Reads `http://HUB/REPOSITORY/NAME`, or `REPOSITORY/NAME` when there is a hub for such; the hub's own base
 * path may have several parts.
 *
 * @param hub base URL, empty for none
 * @throws ERR_USAGE when it is neither
 */
export function parseHubFlist(text: string, hub: string): HubFlist {
  const isUrl = /^https?:\/\//i.test(text);
  const shorter = hub === '' ? ', and no hub is set by G8UFS_HUB' : ' or REPOSITORY/NAME';
  const wrong = new G8Error(
    'ERR_USAGE',
    `The flist is not named in the form http://HUB/REPOSITORY/NAME${shorter}`,
  );
  if (!isUrl && (hub === '' || !/^[^/]+\/[^/]+$/.test(text))) throw wrong;
  const url = isUrl ? text : `${hub.replace(/\/+$/, '')}/${text}`;
  if (!URL.canParse(url)) throw wrong;
  const parsed = new URL(url);
  const parts = parsed.pathname.split('/').filter((part) => part !== '');
  const [repository, name] = parts.splice(-2).map((part) => decode(part, wrong));
  if (repository === undefined || name === undefined) throw wrong;
  parsed.pathname = `/${parts.join('/')}`;
  return { hub: parsed.href, repository, name: name.replace(/\.flist$/, '') };
}

/** URL of a flist, as everybody may be told it. */
export function flistUrl(hub: string, { repository, name }: Omit<HubFlist, 'hub'>): string {
  return `${hub}/${[repository, `${name}.flist`].map(encodeURIComponent).join('/')}`;
}

/**
 * The hub that is named, or that of the configuration.
 *
 * @throws ERR_USAGE when there is neither; ERR_CONFIG
 */
export async function hubOf(context: Context, named: string | undefined): Promise<string> {
  const { loadConfig } = await import('../config/config.ts');
  const url = (await loadConfig(context.env, { hub: named })).get('hub');
  if (url === '') throw new G8Error('ERR_USAGE', 'Name a hub, or set one by G8UFS_HUB');
  return url.replace(/\/+$/, '');
}

/** Runs `use` with a client of the hub, with the login for it if there is one. */
export async function withHub<T>(
  context: Context,
  url: string,
  use: (client: HubClient) => Promise<T>,
): Promise<T> {
  const { HubClient } = await import('../store/hub-client.ts');
  const { hubLogin } = await import('../store/logins.ts');
  const client = new HubClient(url, { http: { login: hubLogin(url, context.env) } });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** {@link withHub} for users, tokens and repositories. */
export async function withHubAdmin<T>(
  context: Context,
  named: string | undefined,
  use: (admin: HubAdmin) => Promise<T>,
): Promise<T> {
  const { HubAdmin } = await import('../store/hub-admin.ts');
  const { hubLogin } = await import('../store/logins.ts');
  const url = await hubOf(context, named);
  const admin = new HubAdmin(url, { login: hubLogin(url, context.env) });
  try {
    return await use(admin);
  } finally {
    await admin.close();
  }
}

function decode(part: string, wrong: G8Error): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw wrong;
  }
}
