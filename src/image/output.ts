/**
 * A file that appears whole or not at all: written beside its place under a temporary name, flushed to
 * the device, renamed.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { syncFolder } from '../base/sync-folder.ts';

/**
 * Writes a file, replacing one that is there.
 *
 * @param finish called when all pieces are written: for what is known only then
 * @returns its size in bytes
 * @throws ERR_CREATE when it cannot be written; what `pieces` throws; ERR_ABORTED. Nothing is left
 *   behind then, and an older file is as it was.
 */
export async function writeWholeFile(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
  finish: (file: FileHandle) => Promise<void> = async () => {},
): Promise<number> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const file = await created(path, open(temporary, 'wx', 0o644));
  let size = 0;
  try {
    for await (const piece of pieces) {
      throwIfAborted(signal);
      await created(path, file.writeFile(piece));
      size += piece.length;
    }
    await created(path, finish(file));
    await created(path, file.sync());
    await created(path, file.close());
    await created(path, rename(temporary, path));
    await created(path, syncFolder(dirname(path)));
    return size;
  } catch (error) {
    await closeQuietly(file);
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Says before the work what would otherwise fail after it.
 *
 * @throws ERR_CREATE when the folder of `path` does not exist or `path` is no plain file
 */
export async function checkOutput(path: string): Promise<void> {
  const folder = await created(path, stat(dirname(path)));
  if (!folder.isDirectory()) throw new G8Error('ERR_CREATE', `${dirname(path)} is not a folder`);
  const present = await stat(path).catch(() => undefined);
  if (present !== undefined && !present.isFile()) {
    throw new G8Error('ERR_CREATE', `${path} is there and is not a plain file`);
  }
}

async function created<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    const { code, message } = toG8Error(error, 'ERR_CREATE', `${path} cannot be written`);
    throw new G8Error(code === 'ERR_PERMISSION' ? code : 'ERR_CREATE', message, { cause: error });
  }
}

async function closeQuietly(file: FileHandle): Promise<void> {
  // The error that led here is the one to report.
  await file.close().catch(() => {});
}
