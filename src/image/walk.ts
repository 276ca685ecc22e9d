/**
 * Reads a source folder into tree values: everything but what files contain. Several folders are read at
 * a time; the result does not depend on their order. Symlinks are never followed.
 */
import { G8Error, toG8Error } from '../base/errors.ts';
import { lockOfAttempt } from '../base/file-lock.ts';
import { forEachParallel } from '../base/workers.ts';
import { keptXattrs } from '../format/layer/kept-xattrs.ts';
import type { MutableInode } from '../format/layer/node.ts';
import {
  type Dentry,
  type Inode,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
} from '../format/tree.ts';
import type { ScanBinding, ScannedEntry } from '../native/addon.ts';
import type { PathMatcher } from './glob.ts';

/** Folders read at a time: enough to keep libuv's four threads busy. */
const SCANS_MAX = 8;
/** 64 Mi entries are some 30 GiB of tree values; a source with more is a mistake. */
const ENTRY_COUNT_MAX = 2 ** 26;

const SLASH = 0x2f;

/** A regular file with bytes. Whoever reads it sets `inode.content`. */
export interface SourceFile {
  /** One of its names, relative to the source. */
  readonly path: Uint8Array;
  readonly scanned: ScannedEntry;
  readonly inode: MutableInode;
}

export interface WalkOptions {
  readonly scan: ScanBinding;
  readonly exclude?: PathMatcher | undefined;
  /** Paths relative to the source that are left out, whatever the patterns say. */
  readonly excludedPaths?: readonly string[] | undefined;
  /** Mount points below the source are taken as empty folders. Default false, as with tar. */
  readonly oneFileSystem?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of entries found so far. */
  readonly onEntries?: ((count: number) => void) | undefined;
}

export interface Walk {
  readonly root: Inode;
  /** Each once, however many names it has; in no particular order. */
  readonly files: readonly SourceFile[];
  /** Names, the root included. */
  readonly entryCount: number;
  /** Sizes of all `files`. */
  readonly bytes: number;
}

interface Folder {
  readonly path: Uint8Array;
  readonly inode: MutableInode;
}

/**
 * Walks a folder.
 *
 * @throws ERR_NO_INPUT when the source is missing or no folder; ERR_IO, ERR_PERMISSION naming the path
 */
export async function walkTree(source: string, options: WalkOptions): Promise<Walk> {
  const walker = new Walker(source, options);
  return walker.run();
}

class Walker {
  readonly #source: string;
  readonly #options: WalkOptions;
  readonly #excludedPaths: ReadonlySet<string>;
  readonly #files: SourceFile[] = [];
  readonly #linked = new Map<string, MutableInode>();
  #rootDevice = 0n;
  #entryCount = 0;
  #bytes = 0;

  constructor(source: string, options: WalkOptions) {
    this.#source = source;
    this.#options = options;
    this.#excludedPaths = new Set(options.excludedPaths);
  }

  async run(): Promise<Walk> {
    const empty = new Uint8Array(0);
    const top = await this.#named(empty, this.#options.scan.scanEntry(this.#source, empty));
    if ((top.mode & S_IFMT) !== S_IFDIR) {
      throw new G8Error('ERR_NO_INPUT', `${this.#source} is not a folder`);
    }
    this.#rootDevice = top.dev;
    const root = this.#inode(empty, top);
    this.#count();
    // Level by level: the folders found on one level are the work of the next.
    let level: Folder[] = [{ path: empty, inode: root }];
    while (level.length > 0) {
      const next: Folder[] = [];
      const { signal } = this.#options;
      await forEachParallel(level, { concurrency: SCANS_MAX, signal }, async (folder) => {
        await this.#readFolder(folder, next);
      });
      level = next;
    }
    return { root, files: this.#files, entryCount: this.#entryCount, bytes: this.#bytes };
  }

  async #readFolder(folder: Folder, next: Folder[]): Promise<void> {
    const { scan, oneFileSystem } = this.#options;
    const scanned = await this.#named(folder.path, scan.scanDirectory(this.#source, folder.path));
    const entries: Dentry[] = [];
    for (const entry of scanned) {
      const path = joinPath(folder.path, entry.name);
      const isDirectory = (entry.mode & S_IFMT) === S_IFDIR;
      if (this.#isExcluded(path, isDirectory)) continue;
      const inode = this.#inode(path, entry);
      entries.push({ name: entry.name, inode });
      this.#count();
      if (isDirectory && (oneFileSystem !== true || entry.dev === this.#rootDevice)) {
        next.push({ path, inode });
      }
    }
    folder.inode.entries = entries;
  }

  #isExcluded(path: Uint8Array, isDirectory: boolean): boolean {
    const { exclude } = this.#options;
    if (exclude === undefined && this.#excludedPaths.size === 0) return false;
    const text = Buffer.from(path).toString();
    if (exclude?.(text, isDirectory) === true || this.#excludedPaths.has(text)) return true;
    // Whoever else waits for the lock of an excluded file has one of these beside it.
    const lock = lockOfAttempt(text);
    return lock !== undefined && this.#excludedPaths.has(lock);
  }

  /** The entry's inode: the one it already has when this is another name of a known file. */
  #inode(path: Uint8Array, entry: ScannedEntry): MutableInode {
    const type = entry.mode & S_IFMT;
    const key = entry.nlink > 1 && type !== S_IFDIR ? `${entry.dev}:${entry.ino}` : undefined;
    const known = key === undefined ? undefined : this.#linked.get(key);
    if (known !== undefined) return known;
    const xattrs = keptXattrs(entry.xattrs);
    const inode: MutableInode = {
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtimeSeconds: entry.mtimeSeconds,
      mtimeNanoseconds: entry.mtimeNanoseconds,
      size: type === S_IFREG ? entry.size : 0,
      ...((type === S_IFCHR || type === S_IFBLK) && {
        rdevMajor: entry.rdevMajor,
        rdevMinor: entry.rdevMinor,
      }),
      ...(entry.target !== undefined && { target: entry.target }),
      ...(xattrs !== undefined && { xattrs }),
      ...(type === S_IFDIR && { entries: [] }),
    };
    if (key !== undefined) this.#linked.set(key, inode);
    if (inode.size > 0) {
      this.#files.push({ path, scanned: entry, inode });
      this.#bytes += inode.size;
    }
    return inode;
  }

  #count(): void {
    if (++this.#entryCount > ENTRY_COUNT_MAX) {
      throw new G8Error('ERR_IO', `${this.#source} has more than ${ENTRY_COUNT_MAX} entries`);
    }
    this.#options.onEntries?.(this.#entryCount);
  }

  async #named<T>(path: Uint8Array, reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `${showSourcePath(this.#source, path)} cannot be read`);
    }
  }
}

/** A path of the source for messages. */
export function showSourcePath(source: string, path: Uint8Array): string {
  return path.length === 0 ? source : `${source}/${Buffer.from(path).toString()}`;
}

function joinPath(folder: Uint8Array, name: Uint8Array): Uint8Array {
  if (folder.length === 0) return name;
  const path = new Uint8Array(folder.length + 1 + name.length);
  path.set(folder);
  path[folder.length] = SLASH;
  path.set(name, folder.length + 1);
  return path;
}
