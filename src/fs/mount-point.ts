/** Makes sure that a mount can go to a folder, and clears away what a daemon that died has left there. */
import { stat } from 'node:fs/promises';
import { G8Error, toG8Error } from '../base/errors.ts';
import { connectDaemon } from './client.ts';
import { overlayCache } from './kernel/overlay.ts';
import { findMount } from './mountinfo.ts';
import { unmount } from './unmount.ts';

/**
 * @param cacheDir cache of this daemon, which has no mount there
 * @throws ERR_NO_INPUT, ERR_MOUNT (no folder, or mounted by g8ufs)
 */
export async function prepareMountPoint(mountPoint: string, cacheDir: string): Promise<void> {
  try {
    const status = await stat(mountPoint);
    if (!status.isDirectory()) throw new G8Error('ERR_MOUNT', `${mountPoint} is not a folder`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTCONN') {
      throw toG8Error(error, 'ERR_MOUNT', `Mount point ${mountPoint} cannot be used`);
    }
    await unmount(mountPoint, true);
    await prepareMountPoint(mountPoint, cacheDir);
    return;
  }
  const top = findMount(mountPoint);
  if (top === undefined) return;
  const cache = overlayCache(top);
  // In the kernel tier a mount goes on without its daemon; it makes room for its successor.
  if (cache !== undefined && (cache === cacheDir || !(await hasDaemon(cache)))) {
    await unmount(mountPoint, true);
    await prepareMountPoint(mountPoint, cacheDir);
    return;
  }
  if (top.type === 'fuse.g8ufs' || cache !== undefined) {
    throw new G8Error('ERR_MOUNT', `${mountPoint} is already a g8ufs mount`);
  }
}

async function hasDaemon(cacheDir: string): Promise<boolean> {
  const client = await connectDaemon(cacheDir);
  client?.close();
  return client !== undefined;
}
