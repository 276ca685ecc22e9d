/**
 * Files whose bytes are wrong or cannot be read, kept aside so that somebody can look at them: the last few, never
 * much, and the first to go when there is no room.
 */
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CacheLayout } from './layout.ts';
import { allocated } from './shape.ts';

/** Files kept, and the bytes they may take: enough for a look, nothing to a disk. */
const KEPT_COUNT_MAX = 16;
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

/** Takes a file out of its place. It is gone from there when this resolves. @throws what the disk says */
export async function setCorruptAside(
  layout: CacheLayout,
  path: string,
  key: string,
): Promise<void> {
  try {
    await rename(path, join(layout.corrupt, key));
  } catch {
    // Without a folder to keep it in, being gone is what matters.
    await rm(path, { force: true });
    return;
  }
  await trim(layout, KEPT_COUNT_MAX, KEPT_BYTES_MAX);
}

/** Deletes all that is kept. Never throws: whoever needs the room finds out. */
export async function dropCorrupt(layout: CacheLayout): Promise<void> {
  await trim(layout, 0, 0);
}

/** How many are kept. */
export async function countCorrupt(layout: CacheLayout): Promise<number> {
  return (await readdir(layout.corrupt).catch(() => [])).length;
}

/** Deletes the oldest until the rest is within limits. */
async function trim(layout: CacheLayout, countMax: number, bytesMax: number): Promise<void> {
  const files: { path: string; atMs: number; bytes: number }[] = [];
  for (const name of await readdir(layout.corrupt).catch(() => [])) {
    const path = join(layout.corrupt, name);
    // The change time is that of the move; sealed files all have one modification time.
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    if (stats === undefined) continue;
    files.push({ path, atMs: Number(stats.ctimeMs), bytes: allocated(stats) });
  }
  files.sort((a, b) => b.atMs - a.atMs);
  let bytes = 0;
  for (const [index, file] of files.entries()) {
    bytes += file.bytes;
    const isKept = index < countMax && bytes <= bytesMax;
    if (!isKept) await rm(file.path, { force: true, recursive: true }).catch(() => {});
  }
}
