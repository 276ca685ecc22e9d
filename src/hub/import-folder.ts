/**
 * Flists of hubs before the catalogue: `flists/<repository>/<name>.flist` of the data folder, with their texts
 * beside them. They are taken into the catalogue when the hub starts, and the folder is given another name
 * when all are there; a start that was interrupted begins anew, which changes nothing that was done.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { findEntry, putFlist } from './catalogue/entries.ts';
import { TEXT_KINDS } from './catalogue/records.ts';
import { putText } from './catalogue/texts.ts';
import { isRepositoryName, parseFlistName } from './names.ts';
import type { PackageStore } from './package-store.ts';

const PIECE_SIZE = 256 * 1024;

/**
 * Takes `<dataDir>/flists` into the catalogue, if it is there. A name that the catalogue has already is
 * left as it is there.
 *
 * @returns how many flists were taken, and the names of files that are none
 * @throws ERR_IO when a file cannot be read; then the folder keeps its name
 */
export async function importFolder(
  dataDir: string,
  hub: { catalogue: Catalogue; packages: PackageStore },
): Promise<{ count: number; refused: string[] }> {
  const root = join(dataDir, 'flists');
  const refused: string[] = [];
  let count = 0;
  const repositories = await namesOf(root);
  if (repositories === undefined) return { count, refused };
  for (const repository of repositories) {
    if (!isRepositoryName(repository)) continue;
    for (const file of (await namesOf(join(root, repository))) ?? []) {
      if (!file.endsWith('.flist') || parseFlistName(file) === undefined) continue;
      const outcome = await importFile(root, repository, file, hub);
      if (outcome === 'taken') count++;
      if (outcome === 'refused') refused.push(`${repository}/${file}`);
    }
  }
  // The time: somebody may have put a folder there again.
  await rename(root, `${root}.imported-${Date.now()}`);
  return { count, refused };
}

async function importFile(
  root: string,
  repository: string,
  file: string,
  { catalogue, packages }: { catalogue: Catalogue; packages: PackageStore },
): Promise<'taken' | 'refused' | 'left'> {
  const path = join(root, repository, file);
  const handle = await openFile(path);
  if (handle === undefined) return 'left';
  try {
    const { size, mtime } = await handle.stat();
    const updated = mtime.getTime();
    const present = await findEntry(catalogue, repository, file);
    if (present === undefined) {
      const source = handle.createReadStream({ autoClose: false, highWaterMark: PIECE_SIZE });
      const { digest } = await packages.save(source, {
        // Whatever was accepted when it came; a file that grows meanwhile is not.
        sizeMax: size,
        tooLarge: () => new G8Error('ERR_IO', `${path} changes while it is read`),
      });
      await putFlist(catalogue, { repository, file, digest, uploader: undefined, updated });
    } else if (present.kind !== 'flist' || present.updated !== updated || present.size !== size) {
      // Another one than this: it came later.
      return 'left';
    }
    for (const kind of TEXT_KINDS) {
      const text = await readFile(`${path}.${kind}`, 'latin1').catch(() => undefined);
      if (text !== undefined) await putText(catalogue, kind, repository, file, text);
    }
    return 'taken';
  } catch (error) {
    if (isG8Error(error, 'ERR_FLIST_FORMAT')) return 'refused';
    throw toG8Error(error, 'ERR_IO', `Cannot take ${path} into the catalogue`);
  } finally {
    await handle.close();
  }
}

/** A regular file, which a link may lead to; `undefined` for all else. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    // O_NONBLOCK: a FIFO in the directory must not make the hub wait.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw toG8Error(error, 'ERR_IO', `Cannot read ${path}`);
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  return undefined;
}

async function namesOf(directory: string): Promise<string[] | undefined> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw toG8Error(error, 'ERR_IO', `Cannot list ${directory}`);
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
