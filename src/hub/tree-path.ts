/** Follows a path through a tree in memory; links are followed, `..` stops at the root. Pure. */
import { compareBytes } from '../base/bytes.ts';
import { type Inode, S_IFDIR, S_IFLNK, S_IFMT } from '../format/tree.ts';

/** As Linux counts (path_resolution(7)). */
const LINKS_MAX = 40;

/** `undefined` when there is no such path, or links go round in circles. */
export function findInTree(root: Inode, path: string): Inode | undefined {
  const todo = namesOf(path);
  const places = [root];
  let links = 0;
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    const directory = places.at(-1) as Inode;
    if (name === '..') {
      if (places.length > 1) places.pop();
      continue;
    }
    const wanted = Buffer.from(name);
    const found = directory.entries?.find((entry) => compareBytes(entry.name, wanted) === 0)?.inode;
    if (found === undefined) return undefined;
    if ((found.mode & S_IFMT) === S_IFLNK) {
      const target = Buffer.from(found.target ?? new Uint8Array(0)).toString();
      if (++links > LINKS_MAX) return undefined;
      if (target.startsWith('/')) places.length = 1;
      todo.unshift(...namesOf(target));
    } else {
      if (todo.length > 0 && (found.mode & S_IFMT) !== S_IFDIR) return undefined;
      places.push(found);
    }
  }
  return places.at(-1);
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
