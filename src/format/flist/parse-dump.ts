/**
 * From the text twin of a tree back to the tree (docs/format.md, section 9). The text is hostile input: every
 * word is checked, and an error names the line. Lines come one at a time; the tree is in memory. Pure.
 */
import { compareBytes } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import { type Dentry, type Inode, NAME_SIZE_MAX, S_IFDIR, S_IFMT } from '../tree.ts';
import { DumpWords } from './dump-words.ts';
import { unescapeBytes } from './escape.ts';
import { TREE_DEPTH_MAX } from './read-tree.ts';
import { Unusable } from './unusable.ts';

const SLASH = 0x2f;

interface Folder {
  readonly path: string;
  readonly entries: Dentry[];
}

/**
 * @param lines without their newlines
 * @returns the root directory
 * @throws ERR_FLIST_FORMAT naming the line
 */
export async function parseDump(lines: AsyncIterable<string> | Iterable<string>): Promise<Inode> {
  const parser = new DumpParser();
  for await (const line of lines) parser.add(line);
  return parser.finish();
}

class DumpParser {
  #lineCount = 0;
  /** Folders from the root to the one that entries are in now. */
  readonly #folders: Folder[] = [];
  readonly #links = new Map<number, { inode: Inode; words: string; count: number }>();
  #root: Inode | undefined;

  add(line: string): void {
    this.#lineCount++;
    try {
      this.#add(line);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      throw new G8Error(
        'ERR_FLIST_FORMAT',
        `Line ${this.#lineCount} of the dump ${error.message}`,
        { cause: error, details: { line: this.#lineCount } },
      );
    }
  }

  finish(): Inode {
    if (this.#root === undefined) throw new G8Error('ERR_FLIST_FORMAT', 'The dump is empty');
    for (const [link, { count }] of this.#links) {
      if (count > 1) continue;
      throw new G8Error('ERR_FLIST_FORMAT', `The dump has one line only with link=${link}`);
    }
    return this.#root;
  }

  #add(line: string): void {
    const words = new DumpWords(line);
    const inode = words.inode();
    const isFolder = (inode.mode & S_IFMT) === S_IFDIR;
    if (this.#root === undefined) {
      if (words.path !== '/' || !isFolder) throw new Unusable('is not the root directory');
      this.#root = this.#enter('', inode);
      return;
    }
    const [parent, name] = splitPath(words.path);
    const folder = this.#folderAt(parent);
    const previous = folder.entries.at(-1)?.name;
    if (previous !== undefined && compareBytes(previous, name) >= 0) {
      throw new Unusable('is out of order: names of a folder are in byte order, each once');
    }
    if (isFolder) {
      if (words.link !== undefined) throw new Unusable('gives a directory several names');
      folder.entries.push({ name, inode: this.#enter(words.path, inode) });
    } else {
      folder.entries.push({ name, inode: this.#linked(words, inode) });
    }
  }

  #enter(path: string, inode: Inode): Inode {
    if (this.#folders.length > TREE_DEPTH_MAX) throw new Unusable('is too deep');
    const entries: Dentry[] = [];
    this.#folders.push({ path, entries });
    return { ...inode, entries };
  }

  /** Lines go depth first: a folder that was left does not come again. */
  #folderAt(path: string): Folder {
    for (let top = this.#folders.at(-1); top !== undefined; top = this.#folders.at(-1)) {
      if (top.path === path) return top;
      this.#folders.pop();
    }
    throw new Unusable('is not below the folder of a line before it');
  }

  #linked(words: DumpWords, inode: Inode): Inode {
    if (words.link === undefined) return inode;
    const known = this.#links.get(words.link);
    if (known === undefined) {
      if (words.link !== this.#links.size + 1) throw new Unusable('skips a number of link=');
      this.#links.set(words.link, { inode, words: words.attributes, count: 1 });
      return inode;
    }
    if (known.words !== words.attributes) {
      throw new Unusable(`differs from the first line of link=${words.link}`);
    }
    known.count++;
    return known.inode;
  }
}

/** Folder as text and name as bytes. */
function splitPath(path: string): [parent: string, name: Uint8Array] {
  const slash = path.lastIndexOf('/');
  if (!path.startsWith('/')) throw new Unusable('does not begin with an absolute path');
  const name = unescapeBytes(path.slice(slash + 1));
  if (name === undefined) throw new Unusable('has a path that is not escaped as it must be');
  const text = Buffer.from(name).toString('latin1');
  const isName = name.length > 0 && name.length <= NAME_SIZE_MAX && text !== '.' && text !== '..';
  if (!isName || name.includes(0) || name.includes(SLASH)) {
    throw new Unusable('has a name that no file can have');
  }
  return [path.slice(0, slash), name];
}
