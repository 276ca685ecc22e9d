/** Counts over an image: entries by type, contents, chunks. Reads the whole mount index once. */

import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { CODEC } from '../base/codec.ts';
import type { Image } from './open.ts';

/** Sizes in bytes. */
export interface ImageSummary {
  /** Names, the root included. */
  readonly entries: number;
  /** Inodes: a file with several names counts once. */
  readonly directories: number;
  readonly files: number;
  readonly symlinks: number;
  readonly specials: number;
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
export function summarize(
  { index, contents }: Pick<Image, 'index' | 'contents'>,
  signal?: AbortSignal,
): ImageSummary {
  const { fileBytes, contents: contentCount, contentBytes } = contents.totals();
  return {
    ...countEntries(index, signal),
    bytes: fileBytes,
    contents: contentCount,
    contentBytes,
    ...countChunks(contents, signal),
  };
}

function countEntries(index: Image['index'], signal: AbortSignal | undefined) {
  const counts = { entries: 0, directories: 0, files: 0, symlinks: 0, specials: 0 };
  const seen = new Uint8Array(index.inodeCount() + 1);
  for (const { nid, type } of index.walk()) {
    counts.entries++;
    if (counts.entries % 4096 === 0) throwIfAborted(signal);
    const { ino } = index.inode(nid);
    if (seen[ino] === 1) continue;
    seen[ino] = 1;
    if (type === 'directory') counts.directories++;
    else if (type === 'file') counts.files++;
    else if (type === 'symlink') counts.symlinks++;
    else counts.specials++;
  }
  return counts;
}

function countChunks(contents: Image['contents'], signal: AbortSignal | undefined) {
  const seen = new Set<string>();
  let storedBytes = 0;
  let holeBytes = 0;
  let lostChunks = 0;
  for (let i = 0; i < contents.totals().contents; i++) {
    if (i % 4096 === 0) throwIfAborted(signal);
    const { size, dataBytes } = contents.content(i);
    holeBytes += size - dataBytes;
    for (const { codec, id, storedSize } of contents.toContent(i).chunks) {
      if (codec === CODEC.hole) continue;
      if (id.length === 0) {
        lostChunks++;
        continue;
      }
      const name = toHex(id);
      if (seen.has(name)) continue;
      seen.add(name);
      storedBytes += storedSize;
    }
  }
  return { chunks: seen.size, storedBytes, holeBytes, lostChunks };
}
