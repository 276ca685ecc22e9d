/** A command's way to the daemon of one mount, and to all daemons for figures. */
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { G8Error } from '../base/errors.ts';
import type { ControlClient } from '../fs/control.ts';
import type { MountFigures } from '../fs/explain.ts';
import type { Context } from './context.ts';
import { listOfAll, withDaemons } from './daemons.ts';

/**
 * Calls `visit` with the daemon of the mount that a path is, or lies on.
 *
 * @throws ERR_NO_INPUT when it is no mount of a daemon that this user may ask
 */
export async function withMount<T>(
  context: Context,
  dir: string,
  visit: (client: ControlClient, mountPoint: string) => Promise<T>,
): Promise<T> {
  const path = resolve(dir);
  // What cannot be resolved (a mount whose daemon died) is looked for as it is.
  const wanted = await realpath(path).catch(() => path);
  const results: T[] = [];
  await withDaemons(context, async ({ client }) => {
    const mounts = await client.request<{ mountPoint: string }[]>('list', {});
    const mountPoint = closest(mounts, wanted);
    if (mountPoint === undefined) return false;
    results.push(await visit(client, mountPoint));
    return true;
  });
  if (results.length === 0) {
    throw new G8Error('ERR_NO_INPUT', `${wanted} is not mounted by g8ufs`);
  }
  return results[0] as T;
}

/** The innermost mount that holds the path. */
function closest(mounts: readonly { mountPoint: string }[], path: string): string | undefined {
  return mounts
    .map(({ mountPoint }) => mountPoint)
    .filter((point) => path === point || path.startsWith(`${point}/`) || point === '/')
    .sort((a, b) => b.length - a.length)[0];
}

/** Figures of the mounts of all daemons of this user. */
export async function allFigures(context: Context): Promise<MountFigures[]> {
  const lists = await listOfAll<MountFigures>(context, 'figures');
  const rows = lists.flatMap(({ items }) => items);
  return rows.sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1));
}
