/** The file of a chunk in a directory: it gets its name when it is whole, and until then lies among the temporary ones. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import { syncFolder } from '../base/sync-folder.ts';
import { chunkPath } from './chunk-id.ts';
import type { ChunkId } from './store.ts';

// Not two hex digits, so no chunk's folder can have this name.
const TEMPORARY = 'tmp';

/** Where chunks of a directory are written before they get their names. */
export function temporaryFolder(root: string): string {
  return join(root, TEMPORARY);
}

/**
 * Writes a chunk; its file replaces one that is there.
 *
 * @param options `fsync`: flush the file and its name to the device
 * @throws what the system calls throw; nothing is left then
 */
export async function writeChunkFile(
  root: string,
  id: ChunkId,
  bytes: Uint8Array,
  options: { readonly fsync: boolean },
): Promise<void> {
  const path = join(root, chunkPath(id));
  const temporary = join(temporaryFolder(root), `${id}.${randomBytes(6).toString('hex')}`);
  await makeFolder(dirname(temporary));
  await makeFolder(dirname(path));
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await handle.writeFile(bytes);
      if (options.fsync) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (options.fsync) await syncFolder(dirname(path));
}

/** Deletes temporary files older than `ageMs`, which a killed writer left behind. */
export async function sweepTemporaries(root: string, ageMs: number): Promise<void> {
  const folder = temporaryFolder(root);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > ageMs) await rm(path, { force: true });
  }
}

/** Reads `size` bytes from the beginning; fewer when the file has become shorter. */
export async function readWhole(handle: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
    // Shorter than it was a moment ago: what is left cannot match its digest, and is found out so.
    if (bytesRead === 0) return bytes.subarray(0, filled);
    filled += bytesRead;
  }
  return bytes;
}
