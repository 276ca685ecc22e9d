/** A flist that is named by a path or a URL, as a file on disk. */
import { join } from 'node:path';

/**
 * @param source path of a flist, taken as it is, or of a bundle, or an http(s) URL, downloaded
 * @param dir where a download goes; whoever made it removes it
 * @returns path of the package
 * @throws ERR_NO_INPUT, ERR_STORE_UNAVAILABLE and its kin for a URL
 */
export async function fetchPackage(
  source: string,
  dir: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (!isUrl(source)) {
    const { extractFlist, withBundle } = await import('./bundle.ts');
    const extracted = await withBundle(source, async (bundle) => {
      const path = join(dir, 'package');
      await extractFlist(bundle, path, signal);
      return path;
    });
    return extracted ?? source;
  }
  const { HttpClient } = await import('../store/http-client.ts');
  const { downloadFlist } = await import('../store/flist-transfer.ts');
  const { flistLogin } = await import('../store/logins.ts');
  const client = new HttpClient(source, { login: flistLogin(source) });
  const destination = join(dir, 'package');
  try {
    await downloadFlist(client, '', { destination, signal });
    return destination;
  } finally {
    await client.close();
  }
}

/** Whether a source is named by URL; anything else is a path. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}
