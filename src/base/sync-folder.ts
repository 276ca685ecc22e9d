import { open } from 'node:fs/promises';

/** Flushes a folder to its device: a rename is only durable when the folder it happened in is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
