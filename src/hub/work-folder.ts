/** Folders for what one request or job keeps on disk meanwhile. Equal names at once do not meet there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toG8Error } from '../base/errors.ts';

export interface WorkFolder {
  readonly path: string;
  /** With all that is in it. Idempotent. */
  remove(): Promise<void>;
}

/** An empty folder below `<dataDir>/tmp`. */
export async function makeWorkFolder(dataDir: string): Promise<WorkFolder> {
  const path = await mkdtemp(join(dataDir, 'tmp', 'work-')).catch((error: unknown) => {
    throw toG8Error(error, 'ERR_IO', 'No work folder can be made');
  });
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Runs `work` with a folder that is gone afterwards, whatever happens. */
export async function withWorkFolder<T>(
  dataDir: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await makeWorkFolder(dataDir);
  try {
    return await work(folder.path);
  } finally {
    await folder.remove();
  }
}
