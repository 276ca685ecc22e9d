/** One entry as a line with its attributes, for lists whose column widths nobody knows beforehand. Pure. */

import { printableName } from '../../base/name-text.ts';
import { formatMode, formatShortTime, formatSizeColumn } from '../../format/index/inode-text.ts';
import type { IndexInode } from '../../format/index/reader.ts';
import type { EntryReaders } from './entry.ts';

/** As `find -ls` prints it, without the block count: an image has no blocks. Ends with a newline. */
export function longLine(
  { index }: Pick<EntryReaders, 'index'>,
  path: Uint8Array,
  inode: IndexInode,
  escaped: boolean,
): Uint8Array {
  const cells = [
    String(inode.nid).padStart(8),
    formatMode(inode),
    String(inode.nlink).padStart(3),
    String(inode.uid).padEnd(5),
    String(inode.gid).padEnd(5),
    formatSizeColumn(inode).padStart(10),
    formatShortTime(inode),
  ];
  const parts = [`${cells.join(' ')} `, printableName(path, escaped)];
  if (inode.type === 'symlink') {
    parts.push(' -> ', printableName(index.readlink(inode.nid), escaped));
  }
  return Buffer.concat([...parts, '\n'].map((part) => Buffer.from(part)));
}
