/**
 * Follows a path through an image as the kernel would with the image as its root: links are followed, `..`
 * stops at the root. Keeps no state; nothing outside the image is ever looked at.
 */
import { G8Error } from '../base/errors.ts';
import type { MountIndexReader } from '../format/index/reader.ts';

/** As Linux counts (path_resolution(7)). */
const LINKS_MAX = 40;

export interface Resolved {
  readonly nid: number;
  /** Where that is: no links, `.` or `..`; begins with a slash. */
  readonly path: Uint8Array;
}

interface Place {
  readonly nid: number;
  readonly name: string;
}

export interface ResolveOptions {
  /** Whether a link at the end of the path is followed too. */
  readonly followLast: boolean;
  /** Names that may be looked up, in this call and others with the same object; default any number. */
  readonly budget?: { names: number } | undefined;
}

/**
 * @param path bytes; relative paths begin at the root
 * @returns `undefined` when there is no such path, or when the budget ends before it is found
 * @throws ERR_NO_INPUT when links go round in circles
 */
export function resolvePath(
  index: MountIndexReader,
  path: Uint8Array,
  { followLast, budget }: ResolveOptions,
): Resolved | undefined {
  // Latin-1 keeps every byte, so names that are not UTF-8 pass through.
  const todo = namesOf(path).reverse();
  const places: Place[] = [];
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '..') {
      places.pop();
      continue;
    }
    if (budget !== undefined && --budget.names < 0) return undefined;
    const nid = index.lookup(places.at(-1)?.nid ?? index.root(), Buffer.from(name, 'latin1'));
    if (nid === undefined) return undefined;
    const isLast = todo.length === 0 && !endsWithSlash(path);
    if (index.inode(nid).type !== 'symlink' || (isLast && !followLast)) {
      places.push({ nid, name });
      continue;
    }
    if (++links > LINKS_MAX) {
      throw new G8Error('ERR_NO_INPUT', `${Buffer.from(path).toString()} has too many links`);
    }
    const target = index.readlink(nid);
    if (target[0] === 0x2f) places.length = 0;
    todo.push(...namesOf(target).reverse());
  }
  const names = places.map((place) => place.name);
  return {
    nid: places.at(-1)?.nid ?? index.root(),
    path: new Uint8Array(Buffer.from(`/${names.join('/')}`, 'latin1')),
  };
}

function namesOf(path: Uint8Array): string[] {
  const names = Buffer.from(path).toString('latin1').split('/');
  return names.filter((name) => name !== '' && name !== '.');
}

function endsWithSlash(path: Uint8Array): boolean {
  return path.at(-1) === 0x2f;
}
