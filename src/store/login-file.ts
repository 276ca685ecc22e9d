/**
 * The file that logins of hubs are kept in: its owner's alone, changed by one process at a time, whole or not at
 * all. What it holds never becomes part of a message.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { lockFile } from '../base/file-lock.ts';
import { makeFolder } from '../base/make-folder.ts';
import type { LoginEntries } from './login-schema.ts';

const FILE_SIZE_MAX = 1024 * 1024;
const LOCK_WAIT_MS = 10_000;
/** Permissions of anybody but the owner. */
const OTHERS = 0o077;

/**
 * @returns nothing when there is no such file
 * @throws ERR_PERMISSION when others may read it or it is somebody else's, ERR_CONFIG when it is broken, ERR_IO
 */
export async function readLogins(path: string): Promise<LoginEntries> {
  const text = await readPrivate(path);
  if (text === undefined) return {};
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's message would show a part of the file.
    throw new G8Error('ERR_CONFIG', `Credentials in ${path} are no JSON`);
  }
  // Most have no logins, and do without what checks them.
  const { loginFile } = await import('./login-schema.ts');
  const parsed = loginFile.safeParse(document);
  if (parsed.success) return parsed.data.logins;
  throw new G8Error('ERR_CONFIG', `Credentials in ${path} have an unknown form`);
}

/**
 * Changes the file; `change` gets what is in it and gives what is to be.
 *
 * @throws as {@link readLogins}; ERR_CREATE, ERR_TIMEOUT while another process changes it
 */
export async function changeLogins(
  path: string,
  change: (logins: LoginEntries) => LoginEntries,
  signal?: AbortSignal,
): Promise<void> {
  await makeFolder(dirname(path), { mode: 0o700 });
  const lock = await lockFile(path, { waitMs: LOCK_WAIT_MS, signal });
  try {
    const logins = change(await readLogins(path));
    await lock.check();
    await replace(path, `${JSON.stringify({ logins }, undefined, 2)}\n`);
  } finally {
    await lock.release();
  }
}

async function replace(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw toG8Error(error, 'ERR_CREATE', `Credentials cannot be written to ${path}`);
  }
}

async function readPrivate(path: string): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    // O_NONBLOCK: a FIFO must not make anybody wait.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await file.stat();
    if (!info.isFile()) throw new G8Error('ERR_CONFIG', `${path} is not a plain file`);
    assertPrivate(path, info.mode, info.uid);
    if (info.size > FILE_SIZE_MAX) throw new G8Error('ERR_CONFIG', `${path} is too large`);
    return await file.readFile('utf8');
  } catch (error) {
    const failure = toG8Error(error, 'ERR_IO', `Credentials in ${path} cannot be read`);
    if (isG8Error(failure, 'ERR_NO_INPUT')) return undefined;
    throw failure;
  } finally {
    await file?.close();
  }
}

/** @throws ERR_PERMISSION */
function assertPrivate(path: string, mode: number, owner: number): void {
  if ((mode & OTHERS) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    const message = `Credentials in ${path} are open to others (mode ${shown}): chmod 600 it`;
    throw new G8Error('ERR_PERMISSION', message);
  }
  const uid = process.getuid?.();
  if (uid !== undefined && owner !== uid && owner !== 0) {
    throw new G8Error('ERR_PERMISSION', `Credentials in ${path} belong to another user`);
  }
}
