/** A flist that is named by a path or a URL, as a file on disk. */
import { join } from 'node:path';

/**
 * @param source path, taken as it is, or an http(s) URL, downloaded
 * @param dir where a download goes; whoever made it removes it
 * @returns path of the package
 * @throws ERR_NO_INPUT, ERR_STORE_UNAVAILABLE and its kin for a URL
 */
export async function fetchPackage(
  source: string,
  dir: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (!isUrl(source)) return source;
  const { HttpClient } = await import('../store/http-client.ts');
  const { downloadFlist } = await import('../store/flist-transfer.ts');
  const client = new HttpClient(source);
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
