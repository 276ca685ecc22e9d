/**
 * What is kept on disk of a container, so that whoever comes after this process can go on with it or clean up:
 * one file in the container's folder, replaced as a whole.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toG8Error } from '../../base/errors.ts';
import type { ContainerArguments } from './arguments.ts';
import type { ContainerFolder } from './container-folder.ts';
import type { ProcessIdentity } from './process-identity.ts';

const FILE = 'record.json';

/** `creating` until the first process runs; `ending` from the moment that everything is taken away. */
export type ContainerState = 'creating' | 'running' | 'ending';

/** A flist on top of a root. */
export interface RecordedLayer {
  /** Which one it is, from 1. */
  readonly number: number;
  readonly source: string;
}

/** A container as its folder tells it. */
export interface ContainerRecord {
  readonly id: number;
  readonly state: ContainerState;
  readonly arguments: ContainerArguments;
  /** ISO 8601. */
  readonly created: string;
  /** Whose work it is to watch and to clean up; the core daemon's when that process is gone. */
  readonly owner: ProcessIdentity;
  /** The first process; `null` while there is none. */
  readonly init: ProcessIdentity | null;
  /** What the first process was told to run; `null` when the container only waits for jobs. */
  readonly command: readonly string[] | null;
  /** The flist that lies on the root, and how many there have been; absent: none ever. */
  readonly layer?: RecordedLayer | undefined;
  /** One that is being put on the root. Whether it came to that is seen where the processes have their root. */
  readonly pending?: RecordedLayer | undefined;
  /** Where the root and other flists are mounted by the mount daemon, in the order in which it was done. */
  readonly mountPoints: readonly string[];
  /** Folder of the cache whose daemon has mounted them. */
  readonly cacheDir: string;
}

/** Where the root of a container is mounted on the host. */
export function rootOf(folder: ContainerFolder, { layer }: Pick<ContainerRecord, 'layer'>): string {
  return layer === undefined ? folder.root : folder.layered(layer.number).point;
}

/** @throws ERR_CACHE_FULL when the disk is, ERR_IO */
export async function writeRecord(folder: string, record: ContainerRecord): Promise<void> {
  const path = join(folder, FILE);
  try {
    await writeFile(`${path}.tmp`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `Record of container ${record.id} cannot be written`);
  }
}

/**
 * @returns `undefined` when there is none, or none that can be understood: what a crash at the very beginning
 *   leaves, and what another version wrote
 * @throws ERR_IO when it cannot be read: the container may be alive
 */
export async function readRecord(folder: string): Promise<ContainerRecord | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw toG8Error(error, 'ERR_IO', `Record in ${folder} cannot be read`);
  }
  // A process that makes the only container there is has none to read.
  const { parseRecord } = await import('./parse-record.ts');
  try {
    return parseRecord(text);
  } catch {
    return undefined;
  }
}
