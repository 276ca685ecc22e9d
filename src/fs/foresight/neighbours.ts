/**
 * Small files beside those that readers missed: from the second miss in a folder on its other small files are
 * likely to be read soon, the smallest first because they cost least. Names candidates, each once; knows nothing of
 * fetching, nor of what is local.
 *
 * Concurrency: for one event loop.
 */
import type { ContentRef } from '../../cache/content.ts';
import type { ContentsReader } from '../../format/index/contents-reader.ts';
import type { MountIndexReader } from '../../format/index/reader.ts';
import { contentRef } from '../content-ref.ts';

/** Misses in a folder before its files are looked at: one may be by chance. */
const MISSES_MIN = 2;
/** Unless all of its small files together are no more than this in the store: they cost less than the next miss. */
const SMALL_FOLDER_BYTES = 64 * 1024;
/** Files of one pick and their stored bytes: what is on the line before the next miss gets its turn. */
const PICK_COUNT_MAX = 16;
const PICK_BYTES_MAX = 256 * 1024;
/** What a file costs at least, however small it is: it has to be looked up, verified and made. */
const COST_BYTES_MIN = 8 * 1024;
/** Entries of a folder that are looked at; nobody reads all of a larger one. */
const ENTRIES_MAX = 1024;
/** Folders that are remembered. */
const FOLDERS_MAX = 1024;

/** A small content that may be wanted. */
export interface Neighbour {
  readonly row: number;
  readonly ref: ContentRef;
  /** Bytes in the store; plain ones where that is not known. */
  readonly storedBytes: number;
  /** The same, at least what any file costs. */
  readonly costBytes: number;
}

interface Folder {
  misses: number;
  /** The largest first. */
  files: Neighbour[] | undefined;
}

export class Neighbours {
  readonly #contents: ContentsReader;
  readonly #index: MountIndexReader;
  readonly #folders = new Map<number, Folder>();
  readonly #named = new Set<number>();

  constructor(contents: ContentsReader, index: MountIndexReader) {
    this.#contents = contents;
    this.#index = index;
  }

  /**
   * A reader has missed a small file.
   *
   * @param folder its node number
   * @param row the file's content
   * @param bytesMax stored bytes of all that is returned
   * @throws ERR_FLIST_FORMAT
   */
  miss(folder: number, row: number, bytesMax: number): Neighbour[] {
    this.#named.add(row);
    const known = this.#folders.get(folder) ?? { misses: 0, files: undefined };
    if (this.#folders.size < FOLDERS_MAX) this.#folders.set(folder, known);
    known.misses++;
    if (bytesMax <= 0) return [];
    known.files ??= this.#filesOf(folder);
    const isSmall = (): boolean =>
      (known.files ?? []).reduce((sum, file) => sum + file.costBytes, 0) <= SMALL_FOLDER_BYTES;
    if (known.misses < MISSES_MIN && !isSmall()) return [];
    return this.#pick(known.files, Math.min(bytesMax, PICK_BYTES_MAX));
  }

  #pick(files: Neighbour[], bytesMax: number): Neighbour[] {
    const picked: Neighbour[] = [];
    let bytes = 0;
    for (let next = files.at(-1); next !== undefined; next = files.at(-1)) {
      if (picked.length === PICK_COUNT_MAX || bytes + next.costBytes > bytesMax) break;
      files.pop();
      // Missed since, or in another folder as well.
      if (this.#named.has(next.row)) continue;
      this.#named.add(next.row);
      picked.push(next);
      bytes += next.costBytes;
    }
    return picked;
  }

  #filesOf(folder: number): Neighbour[] {
    const files: Neighbour[] = [];
    let entries = 0;
    for (const { nid, type } of this.#index.readdir(folder)) {
      if (++entries > ENTRIES_MAX) break;
      if (type !== 'file') continue;
      const row = this.#contents.contentOf(this.#index.inode(nid).ino);
      if (row === undefined || this.#named.has(row)) continue;
      const ref = contentRef(this.#contents, row);
      if (ref.chunkCount !== 1) continue;
      const storedBytes = ref.chunk(0).storedSize || ref.size;
      files.push({ row, ref, storedBytes, costBytes: Math.max(COST_BYTES_MIN, storedBytes) });
    }
    return files.sort((a, b) => b.storedBytes - a.storedBytes);
  }
}
