/**
 * The metadata image of an unpacked image (`kernel.erofs` beside its mount index): made when it is first
 * mounted in the kernel tier, kept and removed with the index. Never taken from a package.
 */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { toG8Error } from '../../base/errors.ts';
import { programBeside } from '../../base/program-beside.ts';
import { KERNEL_FILE } from '../../image/index-files.ts';
import { runWorker } from '../run-worker.ts';
import type { ImageWork } from './image-worker.ts';

/** A million entries take some seconds; ten million must not take for ever. */
const WRITE_TIMEOUT_MS = 600_000;

const writing = new Map<string, Promise<void>>();

/**
 * @param dir folder of an unpacked image
 * @returns path of its metadata image
 * @throws ERR_MOUNT for a tree that overlayfs cannot show; ERR_FLIST_FORMAT, ERR_IO, ERR_CACHE_FULL
 */
export async function kernelImagePath(dir: string): Promise<string> {
  const path = join(dir, KERNEL_FILE);
  if (await exists(path)) return path;
  let work = writing.get(dir);
  if (work === undefined) {
    work = writeImage(dir).finally(() => writing.delete(dir));
    writing.set(dir, work);
  }
  await work;
  return path;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw toG8Error(error, 'ERR_IO', `${path} cannot be read`);
  }
}

async function writeImage(dir: string): Promise<void> {
  const workerData: ImageWork = { dir, temporary: `${KERNEL_FILE}.${randomUUID()}` };
  try {
    const signal = AbortSignal.timeout(WRITE_TIMEOUT_MS);
    await runWorker(programBeside('image-worker', import.meta.url), workerData, { signal });
  } catch (error) {
    throw toG8Error(error, 'ERR_INTERNAL', `Metadata image of ${dir} cannot be made`);
  }
}
