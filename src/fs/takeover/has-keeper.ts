/** Whether a cache has a keeper, for those that are no daemon and must not talk to it. */
import { createConnection } from 'node:net';
import { keeperSocket } from './early-sessions.ts';

/**
 * Its socket keeps message borders, which those of Node do not: the kernel says so instead of connecting, and
 * only if somebody listens there.
 */
export async function hasKeeper(cacheDir: string): Promise<boolean> {
  const socket = createConnection(keeperSocket(cacheDir));
  const code = await new Promise<string | undefined>((resolve) => {
    socket.once('connect', () => resolve(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  socket.destroy();
  return code === 'EPROTOTYPE';
}
