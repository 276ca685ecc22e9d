/** Which extended attributes of a source an image keeps. Pure. */
import type { Xattr } from '../tree.ts';

// Other namespaces (system.nfs4_acl, btrfs.compression) belong to the source's file system, and an
// image has no place for them (docs/format.md, section 4).
const KEPT = /^(user\..|trusted\..|security\..|system\.posix_acl_(access|default)$)/s;

/** Those that an image has a place for, in their order; `undefined` when none is left. */
export function keptXattrs(xattrs: readonly Xattr[] | undefined): readonly Xattr[] | undefined {
  const kept = xattrs?.filter(({ name }) => KEPT.test(Buffer.from(name).toString('latin1')));
  return kept === undefined || kept.length === 0 ? undefined : kept;
}
