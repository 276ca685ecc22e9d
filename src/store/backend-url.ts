/**
 * URLs of chunk backends as plain values. Pure.
 *
 * Not `URL`: it knows nothing of several hosts, and its rules differ between schemes. What stands here
 * may come out of a flist, so every part is checked, and no part can carry a line end into a protocol.
 */
import { G8Error } from '../base/errors.ts';
import { withoutCredentials } from './http-url.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A URL in its parts, percent escapes decoded. */
export interface BackendUrl {
  /** For messages: no credentials, no query. */
  readonly name: string;
  /** Lower case, without the colon. */
  readonly scheme: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly hosts: readonly { readonly host: string; readonly port: number | undefined }[];
  /** Without the slash that it begins with. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
}

const URL_SIZE_MAX = 2048;
const HOST_COUNT_MAX = 16;
const FORM = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i;
const HOST_FORM = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/i;

/**
 * Takes a URL apart.
 *
 * @param parameters names that its query may have
 * @throws ERR_CONFIG
 */
export function parseBackendUrl(url: string, parameters: readonly string[]): BackendUrl {
  const name = withoutCredentials(url);
  const problem = (reason: string) => new G8Error('ERR_CONFIG', `Store ${name} ${reason}`);
  const [, scheme, user, authority = '', path = '', query = ''] =
    (url.length <= URL_SIZE_MAX && FORM.exec(url)) || [];
  if (scheme === undefined) throw problem('is no URL');
  const decode = (text: string): string => {
    let decoded: string;
    try {
      decoded = decodeURIComponent(text);
    } catch {
      throw problem('has a broken percent escape');
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be in it
    if (/[\x00-\x1f\x7f]/.test(decoded)) throw problem('has a control character');
    return decoded;
  };
  const hosts = authority.split(',').map((text) => {
    const [, host, port] = HOST_FORM.exec(text) ?? [];
    if (host === undefined || Number(port ?? 1) > 65_535) throw problem('has a bad host');
    return {
      host: host.replace(/^\[|\]$/g, ''),
      port: port === undefined ? undefined : Number(port),
    };
  });
  if (hosts.length > HOST_COUNT_MAX) throw problem('has too many hosts');
  const pairs = new Map<string, string>();
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const [key = '', value = ''] = pair.split('=', 2).map(decode);
    if (!parameters.includes(key)) throw problem(`has an unknown parameter ${key.slice(0, 40)}`);
    pairs.set(key, value);
  }
  const [username, password] = splitOnce(user, ':');
  const given = (text: string | undefined) => (text === undefined ? undefined : decode(text));
  return {
    name,
    scheme: scheme.toLowerCase(),
    username: given(username) || undefined,
    password: given(password) || undefined,
    hosts,
    path: decode(path),
    query: pairs,
  };
}

function splitOnce(text: string | undefined, mark: string): [string?, string?] {
  if (text === undefined) return [];
  const at = text.indexOf(mark);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
