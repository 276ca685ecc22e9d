import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Flushes a folder to its device: a rename is only durable when the folder it happened in is. */
export async function syncFolder(path: string): Promise<void> {
  await sync(path);
}

/** Flushes the files of a folder, together: a disk has one turn for all of them. */
export async function syncFilesIn(folder: string): Promise<void> {
  const names = await readdir(folder);
  await Promise.all(names.map((name) => sync(join(folder, name))));
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
