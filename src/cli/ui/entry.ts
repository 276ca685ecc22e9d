/** How an entry of an image is shown: colours, JSON fields. Pure. */
import { toHex } from '../../base/bytes.ts';
import { jsonName } from '../../base/name-text.ts';
import type { ContentsReader } from '../../format/index/contents-reader.ts';
import { formatTime } from '../../format/index/inode-text.ts';
import type { IndexInode, MountIndexReader } from '../../format/index/reader.ts';
import { paint } from './color.ts';

/** A name in the colour of its type, as ls(1) has them. */
export function paintName(text: string, type: IndexInode['type'], color: boolean): string {
  if (type === 'directory') return paint('blue', text, color);
  if (type === 'symlink') return paint('cyan', text, color);
  return type === 'file' ? text : paint('yellow', text, color);
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
