/** Where a daemon in the background writes its log: `run/daemon.log` of its cache, with one older one beside it. */
import { fstatSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { toG8Error } from '../base/errors.ts';
import { makeFolderSync } from '../base/make-folder.ts';

/** One older log of this size is kept beside the current one. */
const LOG_SIZE_MAX = 8 * 1024 * 1024;

/** Opens the log to append to it. @throws ERR_IO, ERR_PERMISSION */
export function openLog(cacheDir: string): number {
  const path = logPath(cacheDir);
  try {
    makeFolderSync(join(cacheDir, 'run'), { mode: 0o700 });
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_SIZE_MAX) renameSync(path, `${path}.1`);
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `Cache ${cacheDir} cannot be used`);
  }
}

/**
 * Where a daemon goes on to write that its keeper has started: it was given the keeper's own output, which is the
 * log of the day on which that began, since renamed or removed perhaps, or too large.
 *
 * @param fd its output, which stays when it is no file
 */
export function continuedLog(cacheDir: string, fd = 2): number {
  try {
    const given = fstatSync(fd);
    if (!given.isFile()) return fd;
    const current = statSync(logPath(cacheDir), { throwIfNoEntry: false });
    const isCurrent = current?.ino === given.ino && current.dev === given.dev;
    return isCurrent && given.size <= LOG_SIZE_MAX ? fd : openLog(cacheDir);
  } catch {
    // A log in the wrong place is better than no daemon.
    return fd;
  }
}

function logPath(cacheDir: string): string {
  return join(cacheDir, 'run', 'daemon.log');
}
