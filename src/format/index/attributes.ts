import type { Inode } from '../tree.ts';
import type { IndexInode, MountIndexReader } from './reader.ts';

/** An inode of an index as trees have it, without what only some types have: content, target, device, entries. */
export function attributesOf(index: MountIndexReader, inode: IndexInode): Omit<Inode, 'entries'> {
  const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = inode;
  const xattrs = index.xattrs(inode.nid);
  return {
    mode,
    uid,
    gid,
    mtimeSeconds,
    mtimeNanoseconds,
    size: inode.type === 'file' ? inode.size : 0,
    ...(xattrs.length > 0 && { xattrs }),
  };
}
