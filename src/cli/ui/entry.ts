/** How an entry of an image is shown: `ls -l` columns, ISO times, JSON fields. Pure. */
import { toHex } from '../../base/bytes.ts';
import type { ContentsReader } from '../../format/index/contents-reader.ts';
import type { IndexInode, MountIndexReader } from '../../format/index/reader.ts';
import { paint } from './color.ts';
import { jsonName } from './name.ts';

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

/** A name in the colour of its type, as ls(1) has them. */
export function paintName(text: string, type: IndexInode['type'], color: boolean): string {
  if (type === 'directory') return paint('blue', text, color);
  if (type === 'symlink') return paint('cyan', text, color);
  return type === 'file' ? text : paint('yellow', text, color);
}

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

export interface EntryReaders {
  readonly index: MountIndexReader;
  readonly contents: ContentsReader;
}

/** What `--json` prints of an entry. Sizes in bytes. */
export function entryJson({ index, contents }: EntryReaders, path: Uint8Array, inode: IndexInode) {
  const { type, mode, uid, gid, nlink, size, nid } = inode;
  const isDevice = type === 'character-device' || type === 'block-device';
  const content = type === 'file' ? contents.contentOf(inode.ino) : undefined;
  const xattrs = index.xattrs(nid);
  return {
    ...jsonName('path', path),
    type,
    mode: (mode & 0o7777).toString(8).padStart(4, '0'),
    uid,
    gid,
    nlink,
    size: type === 'file' ? size : 0,
    ino: nid,
    mtime: formatTime(inode),
    ...(isDevice && { rdevMajor: inode.rdevMajor, rdevMinor: inode.rdevMinor }),
    ...(type === 'symlink' && jsonName('target', index.readlink(nid))),
    ...(xattrs.length > 0 && {
      xattrs: xattrs.map(({ name, value }) => ({ ...jsonName('name', name), value: toHex(value) })),
    }),
    ...(content !== undefined && contentJson(contents, content)),
  };
}

function contentJson(contents: ContentsReader, index: number) {
  const { digest, blockSize, chunkCount, dataBytes } = contents.content(index);
  return { content: toHex(digest), blockSize, chunks: chunkCount, dataBytes };
}
