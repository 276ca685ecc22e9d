/** What of an inode's attributes a user may restore. Pure. */
import { isDevice } from '../format/flist/special.ts';
import type { Inode, Xattr } from '../format/tree.ts';
import type { RestoredAttributes } from '../native/addon.ts';

export interface Privileges {
  /** Effective user id; 0 may do everything. */
  readonly uid: number;
}

export interface AllowedAttributes {
  readonly attributes: RestoredAttributes;
  readonly skippedXattrs: number;
  /** The owner is somebody else and stays so in the image only. */
  readonly skippedOwner: boolean;
}

const SETUID_SETGID = 0o6000;
/** Anybody may set these of files of his own. */
const FREE_XATTR = /^(user\.|system\.posix_acl_)/;

export function isRestorable(inode: Inode, { uid }: Privileges): boolean {
  return uid === 0 || !isDevice(inode.mode);
}

export function allowedAttributes(inode: Inode, { uid }: Privileges): AllowedAttributes {
  const { mode, mtimeSeconds, mtimeNanoseconds, xattrs = [] } = inode;
  const times = { mtimeSeconds, mtimeNanoseconds };
  if (uid === 0) {
    const attributes = { mode, uid: inode.uid, gid: inode.gid, ...times, xattrs };
    return { attributes, skippedXattrs: 0, skippedOwner: false };
  }
  const free = xattrs.filter(isFree);
  return {
    // Whose rights setuid would give is no longer who the image says.
    attributes: { mode: mode & ~SETUID_SETGID, ...times, xattrs: free },
    skippedXattrs: xattrs.length - free.length,
    skippedOwner: inode.uid !== uid,
  };
}

function isFree({ name }: Xattr): boolean {
  return FREE_XATTR.test(Buffer.from(name).toString('latin1'));
}
