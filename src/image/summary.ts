/** Counts over an image: entries by type, contents, chunks. Reads the whole mount index once. */

import { checkpoint } from '../base/abort.ts';
import { CODEC } from '../base/codec.ts';
import { ChunkTable } from './chunk-table.ts';
import type { Image } from './open.ts';

/** Entries between two looks at the signal. */
const CHECK_INTERVAL = 4096;

/** Sizes in bytes. */
export interface ImageSummary {
  /** Names, the root included. */
  readonly entries: number;
  /** Inodes: a file with several names counts once. */
  readonly directories: number;
  readonly files: number;
  readonly symlinks: number;
  readonly specials: number;
  /** Names beside the first one of their inode. */
  readonly hardLinks: number;
  /** Of all regular files, hard links once. */
  readonly bytes: number;
  readonly contents: number;
  /** Of all contents, each once. */
  readonly contentBytes: number;
  /** Different chunks. */
  readonly chunks: number;
  /** Stored bytes of the different chunks; those of unknown size are not in it. */
  readonly storedBytes: number;
  readonly holeBytes: number;
  /** Chunks of which the flist does not say where they are. */
  readonly lostChunks: number;
}

/** @throws ERR_FLIST_FORMAT, ERR_ABORTED */
export async function summarize(
  { index, contents }: Pick<Image, 'index' | 'contents'>,
  signal?: AbortSignal,
): Promise<ImageSummary> {
  const { fileBytes, contents: contentCount, contentBytes } = contents.totals();
  return {
    ...(await countEntries(index, signal)),
    bytes: fileBytes,
    contents: contentCount,
    contentBytes,
    ...(await countChunks(contents, signal)),
  };
}

async function countEntries(index: Image['index'], signal: AbortSignal | undefined) {
  const counts = {
    entries: 0,
    directories: 0,
    files: 0,
    symlinks: 0,
    specials: 0,
    hardLinks: 0,
  };
  const seen = new Uint8Array(index.inodeCount() + 1);
  for (const { inode, type } of index.walk()) {
    counts.entries++;
    if (counts.entries % CHECK_INTERVAL === 0) await checkpoint(signal);
    if (seen[inode.ino] === 1) {
      counts.hardLinks++;
      continue;
    }
    seen[inode.ino] = 1;
    if (type === 'directory') counts.directories++;
    else if (type === 'file') counts.files++;
    else if (type === 'symlink') counts.symlinks++;
    else counts.specials++;
  }
  return counts;
}

async function countChunks(contents: Image['contents'], signal: AbortSignal | undefined) {
  const seen = new ChunkTable(contents.totals().chunks);
  let storedBytes = 0;
  let holeBytes = 0;
  let lostChunks = 0;
  const scan = contents.scan();
  while (scan.next()) {
    if (scan.index % CHECK_INTERVAL === 0) await checkpoint(signal);
    holeBytes += scan.size - scan.dataBytes;
    while (scan.nextChunk()) {
      if (scan.codec === CODEC.lost) lostChunks++;
      if (!scan.isStored) continue;
      const { count } = seen;
      if (seen.addWords(scan.id) === count) storedBytes += scan.storedSize;
    }
  }
  return { chunks: seen.count, storedBytes, holeBytes, lostChunks };
}
