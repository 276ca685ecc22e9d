/** Fetches flists from hubs and plain web servers for the image store. */
import { G8Error } from '../base/errors.ts';
import { retry } from '../base/retry.ts';
import { downloadFlist } from '../store/flist-transfer.ts';
import { HttpClient } from '../store/http-client.ts';
import { flistLogin } from '../store/logins.ts';
import { READ_RETRY } from '../store/retry.ts';
import type { FetchFlist } from './images.ts';

/** Downloads to `path` unless the server says that the copy with this entity tag is current. */
export const fetchFlist: FetchFlist = async (url, { etag, path, signal }) => {
  const parsed = new URL(url);
  const client = new HttpClient(originOf(parsed), { login: flistLogin(url) });
  try {
    const result = await retry(
      { policy: READ_RETRY, what: `Download of ${client.name}${parsed.pathname}`, signal },
      (inner) =>
        downloadFlist(client, `${parsed.pathname}${parsed.search}`, {
          destination: path,
          etag,
          signal: inner,
        }),
    );
    return result.unchanged ? undefined : { etag: result.etag ?? '' };
  } finally {
    await client.close();
  }
};

/**
 * Base URL of the hub that a flist URL belongs to: `<base>/<repository>/<name>.flist`.
 *
 * @returns `undefined` for a path
 */
export function hubBase(source: string): string | undefined {
  if (!/^https?:\/\//.test(source)) return undefined;
  const parsed = new URL(source);
  const base = parsed.pathname.split('/').slice(0, -2).join('/');
  return `${originOf(parsed)}${base}`;
}

// With the user part: it is what the server asks for.
function originOf(url: URL): string {
  if (url.hostname === '') throw new G8Error('ERR_USAGE', `${url.href} names no server`);
  const user = url.username === '' ? '' : `${url.username}:${url.password}@`;
  return `${url.protocol}//${user}${url.host}`;
}
