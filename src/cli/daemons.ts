/** The running daemons of this user, for commands that look for a mount or show them all. */
import { isG8Error } from '../base/errors.ts';
import { registryDir } from '../base/paths.ts';
import { connectDaemon } from '../fs/client.ts';
import type { ControlClient } from '../fs/control.ts';
import { type DaemonRecord, isAlive, listDaemons } from '../fs/registry.ts';
import type { Context } from './context.ts';

interface ConnectedDaemon extends DaemonRecord {
  readonly client: ControlClient;
}

/**
 * Calls `visit` for each daemon, connected, until one returns true.
 *
 * @returns whether one did
 */
export async function withDaemons(
  context: Context,
  visit: (daemon: ConnectedDaemon) => Promise<boolean>,
): Promise<boolean> {
  const dir = registryDir(context.env, process.getuid?.() ?? 0);
  for (const listed of await listDaemons(dir)) {
    const client = await connectDaemon(listed.cacheDir);
    // It ended since it was listed.
    if (client === undefined) continue;
    const record = isAlive(listed.pid) ? listed : await successorOf(dir, listed);
    try {
      if (await visit({ ...record, client })) return true;
    } finally {
      client.close();
    }
  }
  return false;
}

/** Another process by now has the cache of a daemon that died. */
async function successorOf(dir: string, record: DaemonRecord): Promise<DaemonRecord> {
  const records = await listDaemons(dir);
  return records.find(({ cacheDir }) => cacheDir === record.cacheDir) ?? record;
}

/** Asks each daemon for its list; one that ends meanwhile has none. */
export async function listOfAll<T>(
  context: Context,
  method: string,
): Promise<(DaemonRecord & { readonly items: readonly T[] })[]> {
  const lists: (DaemonRecord & { readonly items: readonly T[] })[] = [];
  await withDaemons(context, async ({ client, ...record }) => {
    try {
      lists.push({ ...record, items: await client.request<T[]>(method, {}) });
    } catch (error) {
      if (!isG8Error(error, 'ERR_STORE_UNAVAILABLE')) throw error;
    }
    return false;
  });
  return lists;
}
