/**
 * Directory blocks of EROFS: the entries of one directory in byte order, `.` and `..` among them,
 * cut into blocks of a table of entries followed by their names. Writing and reading. Pure.
 */
import { compareBytes } from '../../base/bytes.ts';
import { type Dentry, NAME_SIZE_MAX } from '../tree.ts';
import { BLOCK_SIZE, DIRENT_SIZE } from './erofs-format.ts';

const DOT = Uint8Array.of(0x2e);
const DOT_DOT = Uint8Array.of(0x2e, 0x2e);
const SLASH = 0x2f;

/** Meaning of {@link DirectoryListing.entryIndexAt} for the two entries that no tree lists. */
export const SELF = -1;
export const PARENT = -2;

/** The entries of a directory with `.` and `..` at their places, numbered from 0. */
export class DirectoryListing {
  readonly length: number;
  readonly #entries: readonly Dentry[];
  readonly #dotAt: number;
  readonly #dotDotAt: number;

  constructor(entries: readonly Dentry[]) {
    this.#entries = entries;
    this.length = entries.length + 2;
    this.#dotAt = countBelow(entries, DOT);
    this.#dotDotAt = countBelow(entries, DOT_DOT) + 1;
  }

  nameAt(position: number): Uint8Array {
    const index = this.entryIndexAt(position);
    if (index === SELF) return DOT;
    if (index === PARENT) return DOT_DOT;
    return (this.#entries[index] as Dentry).name;
  }

  /** Index into the directory's entries, or {@link SELF}, or {@link PARENT}. */
  entryIndexAt(position: number): number {
    if (position === this.#dotAt) return SELF;
    if (position === this.#dotDotAt) return PARENT;
    return position - (position > this.#dotAt ? 1 : 0) - (position > this.#dotDotAt ? 1 : 0);
  }

  /** End of the block that begins at `start`, and how many of its bytes are used. */
  blockAt(start: number): { end: number; size: number } {
    let end = start;
    let size = 0;
    while (end < this.length) {
      const next = size + DIRENT_SIZE + this.nameAt(end).length;
      if (next > BLOCK_SIZE) break;
      size = next;
      end++;
    }
    return { end, size };
  }
}

/** How the blocks of a directory come out. */
interface DirectoryPlan {
  /** `i_size`: whole blocks before the last one, and the used part of the last. */
  readonly size: number;
  /** Position of the first entry of the last block. */
  readonly lastStart: number;
}

export function planDirectory(entries: readonly Dentry[]): DirectoryPlan {
  const listing = new DirectoryListing(entries);
  let start = 0;
  for (let size = 0; ; size += BLOCK_SIZE) {
    const block = listing.blockAt(start);
    if (block.end === listing.length) return { size: size + block.size, lastStart: start };
    start = block.end;
  }
}

/** What an entry points to. */
export interface DirentTarget {
  readonly nid: number;
  readonly type: number;
}

/**
 * Writes the block that begins at position `start` to memory that is zero there.
 *
 * @returns the position behind the block
 */
export function writeDirectoryBlock(
  { bytes, view }: { readonly bytes: Uint8Array; readonly view: DataView },
  offset: number,
  listing: DirectoryListing,
  start: number,
  targetOf: (entryIndex: number) => DirentTarget,
): number {
  const { end } = listing.blockAt(start);
  let nameOffset = (end - start) * DIRENT_SIZE;
  for (let position = start; position < end; position++) {
    const entry = offset + (position - start) * DIRENT_SIZE;
    const { nid, type } = targetOf(listing.entryIndexAt(position));
    const name = listing.nameAt(position);
    view.setUint32(entry, nid, true);
    view.setUint16(entry + 8, nameOffset, true);
    view.setUint8(entry + 10, type);
    bytes.set(name, offset + nameOffset);
    nameOffset += name.length;
  }
  return end;
}

/** Builds the error for a block that is malformed at the given offset inside it. */
type BlockFailure = (offset: number, reason: string) => Error;

/** One block as it was read; every access is checked against the block. */
export class DirectoryBlock {
  readonly count: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: BlockFailure;

  constructor(bytes: Uint8Array, fail: BlockFailure) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
    if (bytes.length < DIRENT_SIZE) throw fail(0, 'directory block is too short');
    const namesOffset = this.#view.getUint16(8, true);
    if (namesOffset === 0 || namesOffset % DIRENT_SIZE !== 0 || namesOffset >= bytes.length) {
      throw fail(8, 'directory block has a bad entry count');
    }
    this.count = namesOffset / DIRENT_SIZE;
  }

  nameAt(index: number): Uint8Array {
    const start = this.#nameOffset(index);
    const end = index + 1 < this.count ? this.#nameOffset(index + 1) : this.#lastNameEnd(start);
    if (start < this.count * DIRENT_SIZE || end > this.#bytes.length || start >= end) {
      throw this.#fail(index * DIRENT_SIZE + 8, 'directory entry has a bad name offset');
    }
    let isSound = end - start <= NAME_SIZE_MAX;
    for (let at = start; at < end; at++) {
      const byte = this.#bytes[at];
      if (byte === SLASH || byte === 0) isSound = false;
    }
    if (!isSound) throw this.#fail(start, 'directory entry has a bad name');
    return this.#bytes.subarray(start, end);
  }

  nidAt(index: number): number {
    const offset = index * DIRENT_SIZE;
    return this.#view.getUint32(offset + 4, true) * 2 ** 32 + this.#view.getUint32(offset, true);
  }

  typeAt(index: number): number {
    return this.#view.getUint8(index * DIRENT_SIZE + 10);
  }

  #nameOffset(index: number): number {
    return this.#view.getUint16(index * DIRENT_SIZE + 8, true);
  }

  /** Only the last name of a block may end before the next thing, at a NUL. */
  #lastNameEnd(start: number): number {
    const end = this.#bytes.indexOf(0, start);
    return end === -1 ? this.#bytes.length : end;
  }
}

export function isDotName(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}

/** Tells whether a name can stand in a directory. */
export function isEntryName(name: Uint8Array): boolean {
  const fits = name.length > 0 && name.length <= NAME_SIZE_MAX;
  return fits && !isDotName(name) && !name.includes(SLASH) && !name.includes(0);
}

/** Number of entries whose names are below `name`. */
function countBelow(entries: readonly Dentry[], name: Uint8Array): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes((entries[middle] as Dentry).name, name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
