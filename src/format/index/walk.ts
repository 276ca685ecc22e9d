/**
 * Walk over a mount index in pre-order, without recursion: trees may be deeper than any stack and
 * paths longer than PATH_MAX. Bounded by the size of the index, whatever it claims.
 */
import type { FileType } from './erofs-format.ts';
import type { IndexEntry, IndexInode, MountIndexReader } from './reader.ts';

/** One step of a walk. */
export interface WalkEntry {
  /** Last component of the path; empty for the root of the image. */
  readonly name: Uint8Array;
  readonly nid: number;
  readonly type: FileType;
  /** 0 where the walk begins. */
  readonly depth: number;
  readonly inode: IndexInode;
  /** Path from the root, beginning with a slash. Only until the next step; made when asked for. */
  path(): Uint8Array;
  /** Leaves out what is below this folder. Only until the next step. */
  skip(): void;
}

/** Where a walk begins. */
export interface WalkStart {
  readonly nid: number;
  /** Path of that node from the root, beginning with a slash, without one at its end. */
  readonly path: Uint8Array;
}

interface Level {
  readonly nid: number;
  readonly entries: Iterator<IndexEntry>;
  /** Path of the folder with a slash at its end. */
  readonly prefix: Uint8Array;
}

/** Of millions in a walk, so without closures. */
class Step implements WalkEntry {
  readonly name: Uint8Array;
  readonly depth: number;
  readonly inode: IndexInode;
  isSkipped = false;
  readonly #prefix: Uint8Array;

  constructor(prefix: Uint8Array, name: Uint8Array, depth: number, inode: IndexInode) {
    this.#prefix = prefix;
    this.name = name;
    this.depth = depth;
    this.inode = inode;
  }

  get nid(): number {
    return this.inode.nid;
  }

  get type(): FileType {
    return this.inode.type;
  }

  path(): Uint8Array {
    return append(this.#prefix, this.name);
  }

  skip(): void {
    this.isSkipped = true;
  }
}

const SLASH = 0x2f;
const SLASHES = Uint8Array.of(SLASH);

/** Walks from `start`; `seen` gets the folders on the way; `fail` builds the error for a malformed node. */
export function* walkIndex(
  reader: MountIndexReader,
  start: WalkStart,
  seen: Set<number>,
  entryCountMax: number,
  fail: (nid: number, reason: string) => Error,
): Generator<WalkEntry> {
  const levels: Level[] = [];
  let entryCount = 0;
  const enter = (nid: number, path: Uint8Array): void => {
    if (seen.has(nid)) throw fail(nid, 'directory has two names');
    seen.add(nid);
    const isRoot = path.length === 1;
    const prefix = isRoot ? path : append(path, SLASHES);
    levels.push({ nid, entries: reader.readdir(nid), prefix });
  };

  const nameAt = start.path.lastIndexOf(SLASH) + 1;
  const [above, last] = [start.path.slice(0, nameAt), start.path.slice(nameAt)];
  const top = new Step(above, last, 0, reader.inode(start.nid));
  yield top;
  if (top.type !== 'directory' || top.isSkipped) return;
  enter(start.nid, start.path);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.entries.next();
    if (next.done) {
      levels.pop();
      continue;
    }
    const { name, nid, type } = next.value;
    // Directories may share blocks in a malformed index, and so list more than it has room for.
    if (++entryCount > entryCountMax) throw fail(level.nid, 'too many entries');
    const inode = reader.inode(nid);
    if (inode.type !== type) throw fail(nid, 'type differs from its entry');
    const step = new Step(level.prefix, name, levels.length, inode);
    yield step;
    if (type === 'directory' && !step.isSkipped) enter(nid, step.path());
  }
}

function append(prefix: Uint8Array, name: Uint8Array): Uint8Array {
  const path = new Uint8Array(prefix.length + name.length);
  path.set(prefix);
  path.set(name, prefix.length);
  return path;
}
