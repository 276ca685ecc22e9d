/** The running daemons of this user, for commands that look for a mount or show them all. */
import { isG8Error } from '../base/errors.ts';
import { registryDir } from '../base/paths.ts';
import { ControlClient } from '../fs/control.ts';
import { type DaemonRecord, listDaemons } from '../fs/registry.ts';
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
  for (const record of await listDaemons(registryDir(context.env, process.getuid?.() ?? 0))) {
    const client = await ControlClient.connect(record.socket);
    // It ended since it was listed.
    if (client === undefined) continue;
    try {
      if (await visit({ ...record, client })) return true;
    } finally {
      client.close();
    }
  }
  return false;
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
