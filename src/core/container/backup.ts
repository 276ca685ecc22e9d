/**
 * Backups of containers in a folder: for each one flist of all its files, and what it was made with. Their chunks are in one
 * folder of all, so that what did not change between two backups is kept once.
 *
 *   <folder>/<name>.flist   <folder>/<name>.json   <folder>/chunks/
 */
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import type { ContainerArguments } from './arguments.ts';
import type { Container } from './container.ts';
import { packFolder } from './pack-folder.ts';

const NAME = /^[0-9a-f]{16}$/;
const DOCUMENT_SIZE_MAX = 64 * 1024 * 1024;

/** Where a backup is. */
export interface BackupPlace {
  readonly folder: string;
  /** Absent: a new one. */
  readonly name?: string;
}

/** @throws ERR_USAGE for what is no `file:` URL or path, or has a password: that is a backup of another kind */
export function parseBackupUrl(url: string): BackupPlace {
  const [place = '', name] = url.split('#', 2);
  let folder = place;
  if (place.startsWith('file:')) {
    const parsed = URL.canParse(place) ? new URL(place) : undefined;
    if (parsed === undefined || parsed.search !== '') throw wrong(url);
    folder = fileURLToPath(parsed);
  }
  if (!isAbsolute(folder) || (name !== undefined && !NAME.test(name))) throw wrong(url);
  return { folder, ...(name !== undefined && { name }) };
}

/**
 * Writes a backup. The container stands still meanwhile.
 *
 * @returns its name
 * @throws what {@link packFolder} throws
 */
export async function backUp(
  container: Container,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  await makeFolder(folder, { mode: 0o700 });
  const name = randomBytes(8).toString('hex');
  const { output, storage, document } = filesOf(folder, name);
  await packFolder(container, { source: '/', output, storage, signal });
  const draft = `${document}.new`;
  await writeFile(draft, JSON.stringify(container.record.arguments), { mode: 0o600 });
  // Last: a backup is one when this is there.
  await rename(draft, document);
  return name;
}

/**
 * What a container of a backup is made with; not checked.
 *
 * @throws ERR_NO_INPUT when there is no such backup
 */
export async function readBackup(folder: string, name: string): Promise<ContainerArguments> {
  const { output, storage, document } = filesOf(folder, name);
  try {
    const text = await readFile(document, 'utf8');
    if (text.length > DOCUMENT_SIZE_MAX) throw new Error('too large');
    return { ...(JSON.parse(text) as ContainerArguments), root: output, storage };
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `Backup ${name} in ${folder} cannot be read`);
  }
}

function filesOf(folder: string, name: string) {
  return {
    output: join(folder, `${name}.flist`),
    document: join(folder, `${name}.json`),
    storage: `dir://${join(folder, 'chunks')}`,
  };
}

function wrong(url: string): G8Error {
  return new G8Error('ERR_USAGE', `'${url}' is no folder for backups such as file:///srv/backups`);
}
