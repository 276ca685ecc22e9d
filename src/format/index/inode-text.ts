/** An inode's attributes as people read them: `ls -l` columns, ISO times. Pure. */
import type { IndexInode } from './reader.ts';

/** Letters of `ls -l` and `find -type`. */
export const TYPE_LETTERS: Readonly<Record<IndexInode['type'], string>> = {
  directory: 'd',
  file: 'f',
  symlink: 'l',
  'character-device': 'c',
  'block-device': 'b',
  fifo: 'p',
  socket: 's',
};

const PERMISSIONS = 'rwxrwxrwx';

/** `-rwsr-xr-x`, as ls(1) writes it. */
export function formatMode(inode: Pick<IndexInode, 'mode' | 'type'>): string {
  const chars = [...PERMISSIONS].map((char, i) => ((inode.mode >> (8 - i)) & 1 ? char : '-'));
  const special = [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [0o1000, 8, 't'],
  ] as const;
  for (const [bit, place, letter] of special) {
    if ((inode.mode & bit) === 0) continue;
    chars[place] = chars[place] === 'x' ? letter : letter.toUpperCase();
  }
  const type = inode.type === 'file' ? '-' : TYPE_LETTERS[inode.type];
  return `${type}${chars.join('')}`;
}

/** ISO 8601 with nanoseconds; `@seconds` where no calendar reaches. */
export function formatTime({
  mtimeSeconds,
  mtimeNanoseconds,
}: Pick<IndexInode, 'mtimeSeconds' | 'mtimeNanoseconds'>): string {
  const date = new Date(mtimeSeconds * 1000);
  const fraction = String(mtimeNanoseconds).padStart(9, '0');
  if (Number.isNaN(date.getTime())) return `@${mtimeSeconds}.${fraction}`;
  return date.toISOString().replace(/\.\d{3}Z$/, `.${fraction}Z`);
}

/** To the minute, as a long listing shows it. */
export function formatShortTime(inode: Parameters<typeof formatTime>[0]): string {
  const full = formatTime(inode);
  return full.startsWith('@') ? full : full.slice(0, -14).replace('T', ' ');
}

/** Size, or the device numbers of a device. */
export function formatSizeColumn(inode: IndexInode): string {
  const isDevice = inode.type === 'character-device' || inode.type === 'block-device';
  return isDevice ? `${inode.rdevMajor}, ${inode.rdevMinor}` : String(inode.size);
}
