/**
 * Files of a container's root, seen from the host before anything runs in it. Links are followed as a process
 * inside would follow them, so no name leads out of the root: each folder is opened on its own, below the one
 * before it, and never through a link.
 *
 * Concurrency: safe beside other calls; not beside processes that rename folders of the same root meanwhile.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readlink, symlink } from 'node:fs/promises';
import { G8Error } from '../../base/errors.ts';

/** As many as the kernel follows (path_resolution(7)). */
const LINKS_MAX = 40;
const DEPTH_MAX = 256;
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const WRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

interface Place {
  readonly folder: FileHandle;
  readonly name: string;
}

/**
 * @param path within the root; `..` ends at the root, as it does for a process there
 * @returns `undefined` when there is no such file
 * @throws ERR_USAGE when it is no regular file, is larger than `sizeMax` bytes, or its links go in a circle
 */
export async function readInRoot(
  root: string,
  path: string,
  sizeMax: number,
): Promise<string | undefined> {
  return await at(root, path, false, async (place) => {
    if (place === undefined) return undefined;
    const status = await lookAt(place);
    if (status === undefined) return undefined;
    if (!status.isFile()) throw notPlain(path);
    await using file = await open(pathOf(place), READ);
    const { size } = await file.stat();
    if (size > sizeMax) throw new G8Error('ERR_USAGE', `${path} has more than ${sizeMax} bytes`);
    return await file.readFile('utf8');
  });
}

/**
 * Writes a file for its owner alone, and the folders above it.
 *
 * @throws ERR_USAGE when there is something else than a regular file
 */
export async function writeInRoot(root: string, path: string, content: string): Promise<void> {
  await at(root, path, true, async (place) => {
    if (place === undefined) throw notPlain(path);
    const status = await lookAt(place);
    if (status !== undefined && !status.isFile()) throw notPlain(path);
    await using file = await open(pathOf(place), WRITE, 0o600);
    // Opened first: the one that is there keeps its name.
    await file.chmod(0o600);
    await file.truncate();
    await file.writeFile(content);
  });
}

/** Makes a link, unless something has that name or its folder is not there. @throws ERR_USAGE */
export async function linkInRoot(root: string, path: string, target: string): Promise<void> {
  await at(root, path, false, async (place) => {
    if (place === undefined || (await lookAt(place)) !== undefined) return;
    await symlink(target, pathOf(place));
  });
}

/**
 * Opens a folder for the time of `use`, which gets a path that means this folder whatever happens to its name.
 *
 * @throws ERR_USAGE when there is no such folder
 */
export async function withFolderInRoot<T>(
  root: string,
  path: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  return await at(root, path, false, async (place) => {
    const folder =
      place === undefined ? undefined : await open(pathOf(place), FOLDER).catch(() => undefined);
    if (folder === undefined)
      throw new G8Error('ERR_USAGE', `${path} is no folder in the container`);
    try {
      return await use(`/proc/self/fd/${folder.fd}`);
    } finally {
      await folder.close();
    }
  });
}

/** Walks to the folder of the last name, and closes everything after `use`. */
async function at<T>(
  root: string,
  path: string,
  makeFolders: boolean,
  use: (place: Place | undefined) => Promise<T>,
): Promise<T> {
  const opened: FileHandle[] = [];
  try {
    return await use(await walk(root, path, makeFolders, opened));
  } finally {
    await Promise.all(opened.map((handle) => handle.close()));
  }
}

async function walk(
  root: string,
  path: string,
  makeFolders: boolean,
  opened: FileHandle[],
): Promise<Place | undefined> {
  const names = split(path).reverse();
  const enter = async (folderPath: string): Promise<FileHandle> => {
    const handle = await open(folderPath, FOLDER);
    opened.push(handle);
    return handle;
  };
  const folders = [await enter(root)];
  for (let links = 0, name = names.pop(); name !== undefined; name = names.pop()) {
    const folder = folders.at(-1) as FileHandle;
    if (name === '..') {
      if (folders.length > 1) folders.pop();
      continue;
    }
    const place = { folder, name };
    const status = await lookAt(place);
    if (status?.isSymbolicLink()) {
      if (++links > LINKS_MAX) throw new G8Error('ERR_USAGE', `Links of ${path} go in a circle`);
      const target = await readlink(pathOf(place));
      if (target.startsWith('/')) folders.length = 1;
      names.push(...split(target).reverse());
      continue;
    }
    if (names.length === 0) return place;
    if (folders.length >= DEPTH_MAX) throw new G8Error('ERR_USAGE', `${path} is too deep`);
    if (status === undefined) {
      if (!makeFolders) return undefined;
      await mkdir(pathOf(place), { mode: 0o700 });
    } else if (!status.isDirectory()) {
      if (!makeFolders) return undefined;
      throw new G8Error('ERR_USAGE', `${path} is below a file`);
    }
    folders.push(await enter(pathOf(place)));
  }
  // It ends at a folder that has been reached already: the root, or the one above.
  return { folder: folders.at(-1) as FileHandle, name: '.' };
}

function split(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** A name below an open folder, whatever the path of that folder means by now. */
function pathOf({ folder, name }: Place): string {
  return `/proc/self/fd/${folder.fd}/${name}`;
}

async function lookAt(place: Place) {
  return await lstat(pathOf(place)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function notPlain(path: string): G8Error {
  return new G8Error('ERR_USAGE', `${path} is no regular file in the container`);
}
