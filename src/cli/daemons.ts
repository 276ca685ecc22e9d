/** The running daemons of this user, for commands that look for a mount or show them all. */
import { isG8Error } from '../base/errors.ts';
import { registryDir } from '../base/paths.ts';
import { connectDaemon } from '../fs/client.ts';
import type { ControlClient } from '../fs/control.ts';
import { type DaemonRecord, isAlive, listDaemons } from '../fs/registry.ts';
import type { Context } from './context.ts';

/** Daemons of one cache that may die one after the other while they are asked. */
const ATTEMPTS_MAX = 5;

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
  const dir = registryDir(context.env);
  for (const listed of await listDaemons(dir)) {
    if (await visitDaemon(dir, listed, visit)) return true;
  }
  return false;
}

/** One that dies while it is asked has a successor, which is asked again, or is gone with its mounts. */
async function visitDaemon(
  dir: string,
  listed: DaemonRecord,
  visit: (daemon: ConnectedDaemon) => Promise<boolean>,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const client = await connectDaemon(listed.cacheDir, dir);
    if (client === undefined) return false;
    try {
      const record = isAlive(listed.pid) ? listed : await successorOf(dir, listed);
      return await visit({ ...record, client });
    } catch (error) {
      if (!isG8Error(error, 'ERR_STORE_UNAVAILABLE') || attempt === ATTEMPTS_MAX) throw error;
    } finally {
      client.close();
    }
  }
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
    lists.push({ ...record, items: await client.request<T[]>(method, {}) });
    return false;
  });
  return lists;
}
