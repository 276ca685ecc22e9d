/** Fetches flists from hubs and plain web servers for the image store. */
import { retry } from '../base/retry.ts';
import { downloadFlist } from '../store/flist-transfer.ts';
import { HttpClient } from '../store/http-client.ts';
import { flistLogin } from '../store/logins.ts';
import { READ_RETRY } from '../store/retry.ts';
import { originOf } from './hub-base.ts';
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
