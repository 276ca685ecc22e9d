/** Names and attributes by which an upper layer takes something of a lower one away. Pure. */
import { type Inode, S_IFCHR, S_IFMT } from '../tree.ts';

/** What marks removals: nothing, names as in OCI layers, or devices and attributes as overlayfs has them. */
export type WhiteoutStyle = 'none' | 'oci' | 'overlay';

export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_NAME = '.wh..wh..opq';
/** Belongs to the storage that whiteouts were invented for; no part of an image. */
export const AUFS_PREFIX = '.wh..wh.';

const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\.(.*)$/s;

/** A name of an OCI layer, each byte a character. */
export type OciName =
  | { readonly type: 'plain' | 'opaque' | 'meta' }
  | { readonly type: 'whiteout'; readonly hidden: string };

export function readOciName(name: string): OciName {
  if (!name.startsWith(WHITEOUT_PREFIX)) return { type: 'plain' };
  if (name === OPAQUE_NAME) return { type: 'opaque' };
  if (name.startsWith(AUFS_PREFIX)) return { type: 'meta' };
  return { type: 'whiteout', hidden: name.slice(WHITEOUT_PREFIX.length) };
}

/** Attributes of overlayfs that an inode has, by their names behind the namespace. */
export function overlayXattrs(inode: Inode): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, value } of inode.xattrs ?? []) {
    const key = OVERLAY_XATTR.exec(Buffer.from(name).toString('latin1'))?.[1];
    if (key !== undefined) found.set(key, Buffer.from(value).toString('latin1'));
  }
  return found;
}

/** Whether overlayfs takes the inode for a whiteout: device 0:0, or an empty file that says so. */
export function isOverlayWhiteout(inode: Inode): boolean {
  if ((inode.mode & S_IFMT) === S_IFCHR) return !inode.rdevMajor && !inode.rdevMinor;
  return inode.size === 0 && overlayXattrs(inode).has('whiteout');
}

/** The inode without attributes of overlayfs; the same when it has none. */
export function withoutOverlayXattrs(inode: Inode): Inode {
  if (overlayXattrs(inode).size === 0) return inode;
  const kept = inode.xattrs?.filter(
    ({ name }) => !OVERLAY_XATTR.test(Buffer.from(name).toString('latin1')),
  );
  const { xattrs: _, ...plain } = inode;
  return kept?.length ? { ...plain, xattrs: kept } : plain;
}
