/** The new daemon's side of an upgrade: asks the one that runs to leave its mounts to the keeper and to end. */
import { G8Error, isG8Error } from '../../base/errors.ts';
import { connectControl } from '../client.ts';

/** It makes its cache durable before it goes; readers of what is in the cache are served meanwhile. */
const TIMEOUT_MS = 120_000;

/**
 * Resolves when the daemon has ended.
 *
 * @throws ERR_NO_INPUT when none runs; ERR_MOUNT when its mounts would end with it; ERR_TIMEOUT
 */
export async function requestHandOver(cacheDir: string): Promise<void> {
  const client = await connectControl(cacheDir);
  if (client === undefined)
    throw new G8Error('ERR_NO_INPUT', `No daemon has the cache ${cacheDir}`);
  try {
    await client.request('hand-over', {}, TIMEOUT_MS);
  } catch (error) {
    // The only answer is its end.
    if (!isG8Error(error, 'ERR_STORE_UNAVAILABLE')) throw error;
  } finally {
    client.close();
  }
}
