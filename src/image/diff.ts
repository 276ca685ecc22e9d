/**
 * Compares two images path by path: a merge of both trees in byte order, with memory for the folders on the
 * way and a number for each content. What would have to be fetched is counted from the contents that the
 * first image does not have.
 */
import { checkpoint } from '../base/abort.ts';
import { compareShort } from '../base/bytes.ts';
import type { IndexEntry, IndexInode } from '../format/index/reader.ts';
import { ChunkTable, Numbers } from './chunk-table.ts';
import { compareEntries, type Differences, type DiffField, type Side } from './compare.ts';
import { malformedTree } from './malformed.ts';
import type { Image } from './open.ts';

type Source = Pick<Image, 'index' | 'contents'>;

/** Entries or contents between two looks at the signal. */
const CHECK_INTERVAL = 4096;

export type Change =
  | { readonly kind: 'added' | 'removed'; readonly path: Uint8Array; readonly inode: IndexInode }
  | {
      readonly kind: 'changed';
      readonly path: Uint8Array;
      readonly before: IndexInode;
      readonly after: IndexInode;
      readonly differences: Differences;
    };

export interface DiffSummary {
  added: number;
  removed: number;
  changed: number;
  /** Entries that both have and that do not differ. */
  same: number;
  /** Bytes of files that are new or have another content, holes included. */
  newBytes: number;
  /** Bytes of files that are gone or had another content. */
  oldBytes: number;
  /** Different chunks that only the second image has. */
  chunks: number;
  /** Their stored bytes. */
  chunkBytes: number;
}

export interface DiffOptions {
  /** Where to begin, without links. Default the root. */
  readonly path?: Uint8Array | undefined;
  readonly ignored?: ReadonlySet<DiffField> | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Pair {
  readonly path: Uint8Array;
  readonly a: Cursor;
  readonly b: Cursor;
}

/** Entries of a folder with the first one known. */
class Cursor {
  entry: IndexEntry | undefined;
  readonly #entries: Iterator<IndexEntry>;

  constructor({ index }: Source, nid: number) {
    this.#entries = index.readdir(nid);
    this.next();
  }

  next(): void {
    const step = this.#entries.next();
    this.entry = step.done === true ? undefined : step.value;
  }
}

export class ImageDiff {
  readonly summary: DiffSummary = {
    added: 0,
    removed: 0,
    changed: 0,
    same: 0,
    newBytes: 0,
    oldBytes: 0,
    chunks: 0,
    chunkBytes: 0,
  };
  readonly #a: Source;
  readonly #b: Source;
  readonly #ignored: ReadonlySet<DiffField>;
  readonly #options: DiffOptions;
  readonly #seenA = new Set<number>();
  readonly #seenB = new Set<number>();
  /** One for each content of `b`: the same one of `a` from 1 on, 0 when `a` has none. */
  readonly #matches: Uint32Array;
  /** One for each content of `b`: whether it has to be fetched. */
  readonly #newContents: Uint8Array;
  #work = 0;

  constructor(a: Source, b: Source, options: DiffOptions = {}) {
    this.#a = a;
    this.#b = b;
    this.#options = options;
    this.#ignored = options.ignored ?? new Set();
    this.#matches = new Uint32Array(b.contents.totals().contents);
    this.#newContents = new Uint8Array(this.#matches.length);
  }

  /**
   * The changes in order of their paths. The summary is complete at the end.
   *
   * @throws ERR_FLIST_FORMAT, ERR_ABORTED
   */
  async *changes(): AsyncGenerator<Change> {
    await this.#matchContents();
    for (const change of this.#steps()) {
      if (change !== undefined) yield change;
      else await checkpoint(this.#options.signal);
    }
    await this.#countChunks();
  }

  /** Without waits, which take longer than most steps; `undefined` asks for one now and then. */
  *#steps(): Generator<Change | undefined> {
    const { path = Uint8Array.of(0x2f) } = this.#options;
    const [a, b] = [this.#a.index.resolvePath(path), this.#b.index.resolvePath(path)];
    if (a !== undefined && b !== undefined) yield* this.#both(path, a, b);
    else if (a !== undefined) yield* this.#onlyIn('removed', path, a);
    else if (b !== undefined) yield* this.#onlyIn('added', path, b);
  }

  *#both(path: Uint8Array, a: number, b: number): Generator<Change | undefined> {
    const pairs: Pair[] = [];
    yield* this.#pair(path, a, b, pairs);
    for (let pair = pairs.at(-1); pair !== undefined; pair = pairs.at(-1)) {
      const [one, two] = [pair.a.entry, pair.b.entry];
      if (one === undefined && two === undefined) {
        pairs.pop();
        continue;
      }
      const order =
        one === undefined ? 1 : two === undefined ? -1 : compareShort(one.name, two.name);
      if (order <= 0) pair.a.next();
      if (order >= 0) pair.b.next();
      const { name } = (order <= 0 ? one : two) as IndexEntry;
      const child = childPath(pair.path, name);
      if (order === 0) {
        yield* this.#pair(child, (one as IndexEntry).nid, (two as IndexEntry).nid, pairs);
      }
      if (order < 0) yield* this.#onlyIn('removed', child, (one as IndexEntry).nid);
      if (order > 0) yield* this.#onlyIn('added', child, (two as IndexEntry).nid);
    }
  }

  /** Compares two entries; two folders go on the stack. */
  *#pair(path: Uint8Array, a: number, b: number, pairs: Pair[]): Generator<Change | undefined> {
    if (this.#isDue()) yield undefined;
    const [before, after] = [this.#a.index.inode(a), this.#b.index.inode(b)];
    const sides = [
      { image: this.#a, inode: before },
      { image: this.#b, inode: after },
    ] as const;
    const differences = compareEntries(...sides, this.#ignored, this.#isSameContent);
    if (differences === undefined) this.summary.same++;
    else {
      this.summary.changed++;
      if (differences.fields.includes('content') || before.type !== after.type) {
        this.#countFile('removed', before);
        this.#countFile('added', after);
      }
      yield { kind: 'changed', path, before, after, differences };
    }
    const [isFolderA, isFolderB] = [before.type === 'directory', after.type === 'directory'];
    if (isFolderA && isFolderB) {
      enter(this.#seenA, a);
      enter(this.#seenB, b);
      pairs.push({ path, a: new Cursor(this.#a, a), b: new Cursor(this.#b, b) });
    } else if (isFolderA) yield* this.#onlyIn('removed', path, a, true);
    else if (isFolderB) yield* this.#onlyIn('added', path, b, true);
  }

  /** A subtree of one image; `isBelow` leaves out its top. */
  *#onlyIn(
    kind: 'added' | 'removed',
    path: Uint8Array,
    nid: number,
    isBelow = false,
  ): Generator<Change | undefined> {
    const [image, seen] = kind === 'added' ? [this.#b, this.#seenB] : [this.#a, this.#seenA];
    for (const entry of image.index.walk({ nid, path }, seen)) {
      if (this.#isDue()) yield undefined;
      if (isBelow && entry.depth === 0) continue;
      this.summary[kind]++;
      this.#countFile(kind, entry.inode);
      yield { kind, path: entry.path(), inode: entry.inode };
    }
  }

  #countFile(kind: 'added' | 'removed', { type, ino, size }: IndexInode): void {
    if (type !== 'file') return;
    if (kind === 'removed') {
      this.summary.oldBytes += size;
      return;
    }
    this.summary.newBytes += size;
    const index = this.#b.contents.contentOf(ino);
    if (index === undefined) return;
    if (this.#matches[index] === 0) this.#newContents[index] = 1;
  }

  /** Both tables are in the order of the digests: one pass over both finds what both have. */
  async #matchContents(): Promise<void> {
    const [one, two] = [this.#a.contents.scan(), this.#b.contents.scan()];
    let [isOne, isTwo] = [one.next(), two.next()];
    while (isOne && isTwo) {
      if (this.#isDue()) await checkpoint(this.#options.signal);
      const order = compareShort(one.digest, two.digest);
      if (order === 0) this.#matches[two.index] = one.index + 1;
      if (order <= 0) isOne = one.next();
      if (order >= 0) isTwo = two.next();
    }
  }

  readonly #isSameContent = ({ inode: one }: Side, { inode: two }: Side): boolean => {
    const before = this.#a.contents.contentOf(one.ino);
    const after = this.#b.contents.contentOf(two.ino);
    if (before === undefined || after === undefined) return before === after;
    return this.#matches[after] === before + 1;
  };

  /** Chunks of new contents that no content of the first image has. */
  async #countChunks(): Promise<void> {
    const chunks = new ChunkTable();
    const sizes = new Numbers();
    const wanted = this.#b.contents.scan();
    while (wanted.next()) {
      if (this.#isDue()) await checkpoint(this.#options.signal);
      if (this.#newContents[wanted.index] === 0) continue;
      while (wanted.nextChunk()) {
        if (wanted.isStored) sizes.set(chunks.addWords(wanted.id), wanted.storedSize);
      }
    }
    if (chunks.count === 0) return;
    const known = new Numbers();
    const present = this.#a.contents.scan();
    while (present.next()) {
      if (this.#isDue()) await checkpoint(this.#options.signal);
      while (present.nextChunk()) {
        const chunk = present.isStored ? chunks.getWords(present.id) : undefined;
        if (chunk !== undefined) known.set(chunk, 1);
      }
    }
    for (let chunk = 0; chunk < chunks.count; chunk++) {
      if (known.get(chunk) === 1) continue;
      this.summary.chunks++;
      this.summary.chunkBytes += sizes.get(chunk);
    }
  }

  #isDue(): boolean {
    return ++this.#work % CHECK_INTERVAL === 0;
  }
}

function enter(seen: Set<number>, nid: number): void {
  if (seen.has(nid)) throw malformedTree('a directory has two names');
  seen.add(nid);
}

function childPath(folder: Uint8Array, name: Uint8Array): Uint8Array {
  const slash = folder.length === 1 ? 0 : 1;
  const path = new Uint8Array(folder.length + slash + name.length);
  path.set(folder);
  path[folder.length - 1 + slash] = 0x2f;
  path.set(name, folder.length + slash);
  return path;
}
