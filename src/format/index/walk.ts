/**
 * Walk over a mount index in pre-order, without recursion: trees may be deeper than any stack and
 * paths longer than PATH_MAX. Bounded by the size of the index, whatever it claims.
 */
import type { FileType } from './erofs-format.ts';
import type { IndexEntry, MountIndexReader } from './reader.ts';

/** One step of a walk. */
export interface WalkEntry {
  /** Last component of the path; empty for the root. */
  readonly name: Uint8Array;
  readonly nid: number;
  readonly type: FileType;
  /** 0 for the root. */
  readonly depth: number;
  /** Path from the root, beginning with a slash. Only until the next step; made when asked for. */
  path(): Uint8Array;
}

interface Level {
  readonly nid: number;
  readonly entries: Iterator<IndexEntry>;
  /** Name of the entry that is being visited. */
  name: Uint8Array;
}

const SLASH = Uint8Array.of(0x2f);

/** Walks from the root; `fail` builds the error for a malformed node. */
export function* walkIndex(
  reader: MountIndexReader,
  entryCountMax: number,
  fail: (nid: number, reason: string) => Error,
): Generator<WalkEntry> {
  const root = reader.root();
  const levels: Level[] = [];
  const seen = new Set<number>();
  let entryCount = 0;
  const path = (): Uint8Array => joinNames(levels);
  const enter = (nid: number): void => {
    if (seen.has(nid)) throw fail(nid, 'directory has two names');
    seen.add(nid);
    levels.push({ nid, entries: reader.readdir(nid), name: new Uint8Array(0) });
  };
  yield { name: new Uint8Array(0), nid: root, type: 'directory', depth: 0, path };
  enter(root);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.entries.next();
    if (next.done) {
      levels.pop();
      continue;
    }
    const { name, nid, type } = next.value;
    // Directories may share blocks in a malformed index, and so list more than it has room for.
    if (++entryCount > entryCountMax) throw fail(level.nid, 'too many entries');
    if (reader.inode(nid).type !== type) throw fail(nid, 'type differs from its entry');
    level.name = name;
    yield { name, nid, type, depth: levels.length, path };
    if (type === 'directory') enter(nid);
  }
}

function joinNames(levels: readonly Level[]): Uint8Array {
  if (levels.length === 0) return SLASH.slice();
  return new Uint8Array(Buffer.concat(levels.flatMap((level) => [SLASH, level.name])));
}
