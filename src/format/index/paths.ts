/**
 * Paths of inodes of a mount index, which by itself only leads from names to inodes. Keeps three numbers
 * for each directory: the index numbers inodes breadth first, so that the directory which names an inode
 * first is found by its number. Pure; building takes as long as the image has entries and is done in steps.
 */
import type { MountIndexReader } from './reader.ts';

/** Folders in which a name is looked for: hard links may shift it behind the first that fits. */
const NEIGHBOURS_MAX = 64;
/** Names of folders that are kept. */
const NAMES_MAX = 4096;

const SLASH = 0x2f;

export class PathTable {
  readonly #reader: MountIndexReader;
  /** Folders in tree order: node number, place of the parent, number of the first inode named there. */
  readonly #nids: number[] = [];
  readonly #parents: number[] = [];
  readonly #first: number[] = [];
  readonly #names = new Map<number, Uint8Array>();

  constructor(reader: MountIndexReader) {
    this.#reader = reader;
  }

  /**
   * Reads all folders, a step for each; {@link find} works when the last is done.
   *
   * @throws ERR_FLIST_FORMAT when the index is broken
   */
  *build(): Generator<void, void, void> {
    const countMax = this.#reader.inodeCount();
    this.#add(this.#reader.root(), 0);
    for (let place = 0; place < this.#nids.length; place++) {
      let first: number | undefined;
      for (const { nid, type } of this.#reader.readdir(this.#nids[place] as number)) {
        if (type === 'directory') {
          // A loop in a malformed index would never end.
          if (this.#nids.length >= countMax) return;
          this.#add(nid, place);
        }
        first ??= this.#numberOfNew(nid);
      }
      // An empty folder, or one with nothing but further names, begins where the next one does.
      this.#first[place] = first ?? Number.NaN;
      yield;
    }
    this.#fillGaps();
  }

  /** Path from the root, beginning with a slash; `undefined` when the index is not in tree order. */
  find(nid: number): Uint8Array | undefined {
    if (nid === this.#reader.root()) return Uint8Array.of(SLASH);
    return this.#find(this.#reader.inode(nid).ino, (entry) => entry === nid);
  }

  /** The same by an inode's place in tree order, that of a file. */
  findNumber(ino: number): Uint8Array | undefined {
    return this.#find(ino, (nid) => this.#reader.inode(nid).ino === ino);
  }

  /** Node number of the folder that names a file, by the file's own, or by its place in tree order. */
  folderOf(file: { readonly nid: number } | { readonly ino: number }): number | undefined {
    const isNid = 'nid' in file;
    const ino = isNid ? this.#reader.inode(file.nid).ino : file.ino;
    const place = this.#holderOf(
      ino,
      isNid ? (nid) => nid === file.nid : (nid) => this.#reader.inode(nid).ino === ino,
    );
    return place === undefined ? undefined : this.#nids[place.place];
  }

  #find(ino: number, isWanted: (nid: number) => boolean): Uint8Array | undefined {
    const found = this.#holderOf(ino, isWanted);
    return found === undefined ? undefined : this.#join(found.place, found.name);
  }

  #holderOf(
    ino: number,
    isWanted: (nid: number) => boolean,
  ): { readonly place: number; readonly name: Uint8Array } | undefined {
    const from = this.#placeOf(ino);
    const end = Math.min(this.#nids.length, from + NEIGHBOURS_MAX);
    for (let place = from; place < end; place++) {
      const name = this.#nameIn(place, isWanted);
      if (name !== undefined) return { place, name };
    }
    return undefined;
  }

  #add(nid: number, parent: number): void {
    this.#nids.push(nid);
    this.#parents.push(parent);
    this.#first.push(Number.NaN);
  }

  /** Its number, if this is certainly the first of its names. */
  #numberOfNew(nid: number): number | undefined {
    const { ino, type, nlink } = this.#reader.inode(nid);
    return type === 'directory' || nlink === 1 ? ino : undefined;
  }

  #fillGaps(): void {
    let next = Number.POSITIVE_INFINITY;
    for (let place = this.#first.length - 1; place >= 0; place--) {
      if (Number.isNaN(this.#first[place])) this.#first[place] = next;
      else next = this.#first[place] as number;
    }
  }

  /** The last folder that begins at or before this number, or the first that begins there. */
  #placeOf(ino: number): number {
    let low = 0;
    let high = this.#first.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#first[middle] as number) <= ino) low = middle;
      else high = middle;
    }
    return low;
  }

  #nameIn(place: number, isWanted: (nid: number) => boolean): Uint8Array | undefined {
    for (const { name, nid } of this.#reader.readdir(this.#nids[place] as number)) {
      if (isWanted(nid)) return name;
    }
    return undefined;
  }

  #join(place: number, name: Uint8Array): Uint8Array {
    const parts = [name];
    for (let at = place; at > 0; at = this.#parents[at] as number) parts.push(this.#folderName(at));
    const path = new Uint8Array(parts.reduce((size, part) => size + part.length + 1, 0));
    let offset = 0;
    for (const part of parts.reverse()) {
      path[offset] = SLASH;
      path.set(part, offset + 1);
      offset += part.length + 1;
    }
    return path;
  }

  #folderName(place: number): Uint8Array {
    const known = this.#names.get(place);
    if (known !== undefined) return known;
    const parent = this.#parents[place] as number;
    const own = this.#nids[place];
    const name = this.#nameIn(parent, (nid) => nid === own) ?? new Uint8Array(0);
    if (this.#names.size >= NAMES_MAX) this.#names.clear();
    this.#names.set(place, name);
    return name;
  }
}
