/**
 * The entries of a flist as its records have them, in stored order: what historical tools print of one. The
 * tree (`read-tree.ts`) is sorted and knows less. Hostile records cannot multiply the work: a directory is
 * read once. Pure.
 */
import { G8Error } from '../../base/errors.ts';
import type { MetadataDatabase } from '../database.ts';
import { keyBytes, ROOT_KEYS } from './keys.ts';
import { TREE_DEPTH_MAX } from './read-tree.ts';
import { decodeDir, type InodeBody, type InodeRecord } from './records.ts';

export type ListedType = 'regular' | 'directory' | 'symlink' | 'special';

export interface ListedEntry {
  /** With a leading slash; any bytes. */
  readonly path: Uint8Array;
  readonly type: ListedType;
  /** As stored: of a directory usually 4096, of a symlink the length of its target. */
  readonly size: number;
}

const TYPES: Readonly<Record<InodeBody['type'], ListedType>> = {
  file: 'regular',
  dir: 'directory',
  link: 'symlink',
  special: 'special',
};
const SLASH = Buffer.from('/');

interface Open {
  readonly path: Buffer;
  readonly contents: readonly InodeRecord[];
  next: number;
}

/**
 * All entries but the root, depth first, directories before what is in them.
 *
 * @throws ERR_FLIST_FORMAT when a directory has no record or is in the tree twice
 */
export function* listRecords(database: MetadataDatabase): Generator<ListedEntry> {
  const seen = new Set<string>();
  const open = (key: string, path: Buffer): { directory: Open; size: number } => {
    const shown = path.length === 0 ? '/' : path.toString();
    const message = seen.has(key) ? undefined : database.get(keyBytes(key));
    if (message === undefined) {
      const reason = seen.has(key) ? 'is in the flist twice' : 'has no record';
      throw new G8Error('ERR_FLIST_FORMAT', `Directory ${shown} of the flist ${reason}`);
    }
    seen.add(key);
    const { contents, size } = decodeDir(message);
    return { directory: { path, contents, next: 0 }, size };
  };
  const rootKey = ROOT_KEYS.find((key) => database.get(keyBytes(key)) !== undefined);
  if (rootKey === undefined) throw new G8Error('ERR_FLIST_FORMAT', 'Flist has no root directory');
  const stack = [open(rootKey, Buffer.alloc(0)).directory];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const record = top.contents[top.next++];
    if (record === undefined) {
      stack.pop();
      continue;
    }
    const path = Buffer.concat([top.path, SLASH, record.name]);
    const type = TYPES[record.body.type];
    if (record.body.type !== 'dir') {
      yield { path, type, size: record.size };
      continue;
    }
    if (stack.length > TREE_DEPTH_MAX) {
      throw new G8Error('ERR_FLIST_FORMAT', 'Directories of the flist are too deep');
    }
    const { directory, size } = open(record.body.key, path);
    yield { path, type, size };
    stack.push(directory);
  }
}
