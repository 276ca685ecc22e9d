/**
 * Compares two trees name by name: what only one has, and in what entries differ. Pure; without recursion,
 * one difference at a time.
 */
import { compareBytes, equalBytes } from '../base/bytes.ts';
import type { Chunk, Content } from './content.ts';
import { chunkCountOf } from './index/content-digest.ts';
import { type Dentry, type Inode, S_IFMT, type Xattr } from './tree.ts';

export type Aspect =
  | 'type'
  | 'mode'
  | 'owner'
  | 'time'
  | 'size'
  | 'target'
  | 'device'
  | 'attributes'
  | 'content'
  | 'block size'
  | 'chunks'
  | 'links';

export interface TreeDifference {
  /** From `/`, as bytes. */
  readonly path: Uint8Array;
  /** `left` and `right`: only there. Else in what the entries differ. */
  readonly what: 'left' | 'right' | readonly Aspect[];
}

export interface CompareTreesOptions {
  /** Compare chunk ids, codecs and stored sizes too. Default false. */
  readonly chunks?: boolean;
}

const SLASH = Buffer.from('/');

interface Pair {
  readonly path: Uint8Array;
  readonly left: readonly Dentry[];
  readonly right: readonly Dentry[];
  i: number;
  j: number;
}

export function* compareTrees(
  left: Inode,
  right: Inode,
  options: CompareTreesOptions = {},
): Generator<TreeDifference> {
  const links = new LinkPairs();
  const first = differences(left, right, options);
  if (first.length > 0) yield { path: SLASH, what: first };
  const stack: Pair[] = [pairOf(new Uint8Array(0), left, right)];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const a = top.left[top.i];
    const b = top.right[top.j];
    if (a === undefined && b === undefined) {
      stack.pop();
      continue;
    }
    const order = a === undefined ? 1 : b === undefined ? -1 : compareBytes(a.name, b.name);
    const name = ((order <= 0 ? a : b) as Dentry).name;
    const path = Buffer.concat([top.path, SLASH, name]);
    if (order <= 0) top.i++;
    if (order >= 0) top.j++;
    if (order !== 0) {
      yield { path, what: order < 0 ? 'left' : 'right' };
      continue;
    }
    const pair = [(a as Dentry).inode, (b as Dentry).inode] as const;
    const aspects = differences(...pair, options);
    if (!links.agree(...pair)) aspects.push('links');
    if (aspects.length > 0) yield { path, what: aspects };
    if (pair[0].entries !== undefined && pair[1].entries !== undefined) {
      stack.push(pairOf(path, ...pair));
    }
  }
}

function pairOf(path: Uint8Array, left: Inode, right: Inode): Pair {
  return { path, left: left.entries ?? [], right: right.entries ?? [], i: 0, j: 0 };
}

/** Names that share an inode in one tree have to share one in the other. */
class LinkPairs {
  readonly #right = new Map<Inode, Inode>();
  readonly #left = new Map<Inode, Inode>();

  agree(left: Inode, right: Inode): boolean {
    const knownRight = this.#right.get(left);
    const knownLeft = this.#left.get(right);
    if (knownRight === undefined) this.#right.set(left, right);
    if (knownLeft === undefined) this.#left.set(right, left);
    return (knownRight ?? right) === right && (knownLeft ?? left) === left;
  }
}

function differences(a: Inode, b: Inode, { chunks = false }: CompareTreesOptions): Aspect[] {
  if ((a.mode & S_IFMT) !== (b.mode & S_IFMT)) return ['type'];
  const found: Aspect[] = [];
  const check = (aspect: Aspect, isSame: boolean): void => {
    if (!isSame) found.push(aspect);
  };
  check('mode', a.mode === b.mode);
  check('owner', a.uid === b.uid && a.gid === b.gid);
  check('time', a.mtimeSeconds === b.mtimeSeconds && a.mtimeNanoseconds === b.mtimeNanoseconds);
  check('target', sameBytes(a.target, b.target));
  check(
    'device',
    (a.rdevMajor ?? 0) === (b.rdevMajor ?? 0) && (a.rdevMinor ?? 0) === (b.rdevMinor ?? 0),
  );
  check('attributes', sameXattrs(a.xattrs ?? [], b.xattrs ?? []));
  if (a.size !== b.size) found.push('size');
  else found.push(...contentDifferences(a.content, b.content, chunks));
  return found;
}

function contentDifferences(
  a: Content | undefined,
  b: Content | undefined,
  chunks: boolean,
): Aspect[] {
  if (a === undefined || b === undefined) return a === b ? [] : ['content'];
  if (a.blockSize !== b.blockSize || a.algorithm !== b.algorithm) return ['block size'];
  let isSame = true;
  for (let i = 0; i < chunkCountOf(a); i++) {
    const [one, other] = [a.chunks[i], b.chunks[i]];
    if (!sameBytes(one?.plainDigest, other?.plainDigest)) return ['content'];
    isSame &&= sameChunk(one, other);
  }
  return isSame || !chunks ? [] : ['chunks'];
}

function sameChunk(a: Chunk | undefined, b: Chunk | undefined): boolean {
  return a?.codec === b?.codec && a?.storedSize === b?.storedSize && sameBytes(a?.id, b?.id);
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function sameXattrs(a: readonly Xattr[], b: readonly Xattr[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, value }, i) => {
      const other = b[i] as Xattr;
      return equalBytes(name, other.name) && equalBytes(value, other.value);
    })
  );
}
