/**
 * Text twin of a tree: one line for each name, everything that the tree says and nothing else. Two
 * trees are the same when their dumps are. Format: docs/format.md, section 9. Pure.
 */

import { toHex } from '../../base/bytes.ts';
import { CODEC, type Codec, DIGEST } from '../../base/codec.ts';
import type { Chunk, Content } from '../content.ts';
import { type Inode, S_IFMT, S_IFREG } from '../tree.ts';
import { escapeBytes } from './escape.ts';
import { isDevice } from './special.ts';

export const CODEC_NAMES: Record<Codec, string> = {
  [CODEC.hole]: 'hole',
  [CODEC.zstd]: 'zstd',
  [CODEC.legacyG1]: 'g1',
  [CODEC.legacyG2]: 'g2',
  [CODEC.lost]: 'lost',
};
export const DIGEST_NAMES = {
  [DIGEST.blake2b256]: 'blake2b-256',
  [DIGEST.blake2b128]: 'blake2b-128',
  [DIGEST.sha256]: 'sha-256',
};

/** Lines of the dump without their newlines, depth first. Takes one name at a time. */
export function* dumpTree(root: Inode): Generator<string> {
  const links = linkNumbers(root);
  for (const [path, inode] of walk(root)) yield lineOf(path, inode, links);
}

function* walk(root: Inode): Generator<[path: string, inode: Inode]> {
  yield ['/', root];
  const stack = [{ path: '', entries: root.entries ?? [], next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const entry = top.entries[top.next++];
    if (entry === undefined) {
      stack.pop();
      continue;
    }
    const path = `${top.path}/${escapeBytes(entry.name)}`;
    yield [path, entry.inode];
    if (entry.inode.entries !== undefined) {
      stack.push({ path, entries: entry.inode.entries, next: 0 });
    }
  }
}

/** Numbers from 1 for inodes with several names, by their first lines. */
function linkNumbers(root: Inode): Map<Inode, number> {
  const counts = new Map<Inode, number>();
  for (const [, inode] of walk(root)) {
    if (inode.entries === undefined) counts.set(inode, (counts.get(inode) ?? 0) + 1);
  }
  const numbers = new Map<Inode, number>();
  for (const [inode, count] of counts) if (count > 1) numbers.set(inode, numbers.size + 1);
  return numbers;
}

function lineOf(path: string, inode: Inode, links: ReadonlyMap<Inode, number>): string {
  return dumpLine(path, inode, links.get(inode));
}

/**
 * One line.
 *
 * @param path escaped
 * @param link number of the inode among those with several names
 */
export function dumpLine(path: string, inode: Inode, link: number | undefined): string {
  const words = [
    path,
    inode.mode.toString(8).padStart(6, '0'),
    `${inode.uid}:${inode.gid}`,
    `${inode.mtimeSeconds}+${String(inode.mtimeNanoseconds).padStart(9, '0')}`,
  ];
  if (link !== undefined) words.push(`link=${link}`);
  if ((inode.mode & S_IFMT) === S_IFREG) words.push(`size=${inode.size}`);
  if (isDevice(inode.mode)) words.push(`device=${inode.rdevMajor ?? 0},${inode.rdevMinor ?? 0}`);
  if (inode.target !== undefined) words.push(`target=${escapeBytes(inode.target)}`);
  for (const { name, value } of inode.xattrs ?? []) {
    // The first comma ends the name.
    const escaped = escapeBytes(name).replaceAll(',', '%2C');
    words.push(`xattr=${escaped},${escapeBytes(value)}`);
  }
  if (inode.content !== undefined) words.push(...contentWords(inode.content));
  return words.join(' ');
}

function contentWords({ blockSize, algorithm, chunks }: Content): string[] {
  return [`block=${blockSize}`, `digest=${DIGEST_NAMES[algorithm]}`, ...chunks.map(chunkWord)];
}

function chunkWord({ codec, id, plainDigest, storedSize }: Chunk): string {
  if (codec === CODEC.hole || codec === CODEC.lost) return `chunk=${CODEC_NAMES[codec]}`;
  return `chunk=${CODEC_NAMES[codec]},${toHex(id)},${toHex(plainDigest)},${storedSize}`;
}
