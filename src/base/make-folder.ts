/**
 * Makes a folder and what is missing above it. Not with the `recursive` of node:fs: below /proc, where mkdir
 * says ENOENT although the parent is there, that tries for ever and cannot be interrupted.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { G8Error, toG8Error } from './errors.ts';

interface MakeFolderOptions {
  /** Of each folder that is made. */
  readonly mode?: number;
}

/**
 * @returns whether it was not there before
 * @throws ERR_PERMISSION, ERR_CACHE_FULL when the disk is, ERR_CREATE for every other reason
 */
export async function makeFolder(path: string, options: MakeFolderOptions = {}): Promise<boolean> {
  const full = resolve(path);
  try {
    if (await makeOne(full, options)) return true;
    if (await isFolder(full)) return false;
    const missing = [full];
    let parent = dirname(full);
    for (; !(await isFolder(parent)) && parent !== dirname(parent); parent = dirname(parent)) {
      missing.push(parent);
    }
    let isNew = false;
    for (const folder of missing.reverse()) isNew = await makeInFolder(folder, options);
    return isNew;
  } catch (error) {
    throw notMade(path, error);
  }
}

/** {@link makeFolder} for what has to be there before anything can be waited for. */
export function makeFolderSync(path: string, options: MakeFolderOptions = {}): void {
  const full = resolve(path);
  const missing = [full];
  let parent = dirname(full);
  for (; !existsSync(parent) && parent !== dirname(parent); parent = dirname(parent)) {
    missing.push(parent);
  }
  try {
    for (const folder of missing.reverse()) makeOneSync(folder, options);
  } catch (error) {
    throw notMade(path, error);
  }
}

function makeOneSync(path: string, options: MakeFolderOptions): void {
  try {
    mkdirSync(path, options);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    if (!isThere || !statSync(path).isDirectory()) throw error;
  }
}

function notMade(path: string, error: unknown): G8Error {
  const { code, message } = toG8Error(error, 'ERR_CREATE', `Folder ${path} cannot be made`);
  const isKept = code === 'ERR_PERMISSION' || code === 'ERR_CACHE_FULL';
  return new G8Error(isKept ? code : 'ERR_CREATE', message, { cause: error });
}

/** Whether it was made: not when something is there, nor when its parent is missing. */
async function makeOne(path: string, options: MakeFolderOptions): Promise<boolean> {
  try {
    await mkdir(path, options);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOENT') return false;
    throw error;
  }
}

/** Makes a folder in one that is there; another process may have been faster. */
async function makeInFolder(path: string, options: MakeFolderOptions): Promise<boolean> {
  try {
    await mkdir(path, options);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && (await isFolder(path))) return false;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    throw error;
  }
}
