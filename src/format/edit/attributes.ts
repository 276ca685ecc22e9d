/**
 * Changes of what inodes are, not of their names. An inode with several names changes under all of them.
 * Pure; a tree that stays the same stays the same object.
 */
import type { Dentry, Inode } from '../tree.ts';
import { isDirectory } from './place.ts';

/** A directory on the way down, and its entries as soon as one of them has changed. */
interface Frame {
  readonly inode: Inode;
  next: number;
  entries: Dentry[] | undefined;
}

/**
 * The tree with changed inodes.
 *
 * @param top what is to be changed: an inode of the tree
 * @param options `recursive`: everything below as well; symlinks are not followed
 * @param change gives the changed inode, or the same one; it keeps type and entries
 */
export function changeInodes(
  root: Inode,
  top: Inode,
  options: { readonly recursive: boolean },
  change: (inode: Inode) => Inode,
): Inode {
  const changed = new Map<Inode, Inode>();
  for (const inode of options.recursive ? inodesBelow(top) : [top]) {
    const after = change(inode);
    if (after !== inode) changed.set(inode, after);
  }
  return changed.size === 0 ? root : replaceInodes(root, changed);
}

function inodesBelow(top: Inode): Set<Inode> {
  const seen = new Set([top]);
  // A set gives what is added to it while it is walked.
  for (const inode of seen) for (const entry of inode.entries ?? []) seen.add(entry.inode);
  return seen;
}

function replaceInodes(root: Inode, changed: ReadonlyMap<Inode, Inode>): Inode {
  const frames: Frame[] = [{ inode: root, next: 0, entries: undefined }];
  for (;;) {
    const frame = frames.at(-1) as Frame;
    const entry = frame.inode.entries?.[frame.next];
    if (entry !== undefined && isDirectory(entry.inode)) {
      frames.push({ inode: entry.inode, next: 0, entries: undefined });
      continue;
    }
    if (entry !== undefined) {
      settle(frame, changed.get(entry.inode) ?? entry.inode);
      continue;
    }
    const own = changed.get(frame.inode) ?? frame.inode;
    const done = frame.entries === undefined ? own : { ...own, entries: frame.entries };
    frames.pop();
    const above = frames.at(-1);
    if (above === undefined) return done;
    settle(above, done);
  }
}

/** Notes what has become of the frame's next entry. */
function settle(frame: Frame, inode: Inode): void {
  const before = frame.inode.entries as readonly Dentry[];
  const entry = before[frame.next] as Dentry;
  if (inode !== entry.inode) {
    frame.entries ??= [...before];
    frame.entries[frame.next] = { name: entry.name, inode };
  }
  frame.next++;
}

/** The inode of another owner; the same when it is. */
export function withOwner(
  inode: Inode,
  owner: { readonly uid?: number | undefined; readonly gid?: number | undefined },
): Inode {
  const { uid = inode.uid, gid = inode.gid } = owner;
  return uid === inode.uid && gid === inode.gid ? inode : { ...inode, uid, gid };
}
