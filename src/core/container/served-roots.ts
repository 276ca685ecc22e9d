import { isG8Error } from '../../base/errors.ts';
import { connectDaemon } from '../../fs/client.ts';
import type { MountRecord } from '../../fs/mount-record.ts';
import type { RootMounts } from './root-mounts.ts';

/** Mount daemons that may die one after the other while they are asked for their mounts. */
const DAEMON_ATTEMPTS_MAX = 5;

/** Mount points that the mount daemon serves. One that has died has a successor, or is gone with its mounts. */
export async function servedRoots(mounts: RootMounts): Promise<Set<string>> {
  for (let attempt = 1; ; attempt++) {
    const found = await connectDaemon(mounts.cacheDir);
    if (found === undefined) return new Set();
    found.close();
    try {
      // The connection that is kept: its end tells the next time.
      const client = await mounts.connect();
      const list = await client.request<MountRecord[]>('list', {});
      const served = list.filter(({ quarantine }) => quarantine === null);
      return new Set(served.map(({ mountPoint }) => mountPoint));
    } catch (error) {
      const isGone = isG8Error(error, 'ERR_STORE_UNAVAILABLE');
      if (!isGone || attempt === DAEMON_ATTEMPTS_MAX) throw error;
    }
  }
}
