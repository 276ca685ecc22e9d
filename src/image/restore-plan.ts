/** In which order a tree is written to disk. Pure; without recursion, however deep the tree is. */
import { type Inode, S_IFMT, S_IFREG } from '../format/tree.ts';

export interface RestoreStep {
  /** Below the folder in which the tree is made, names between single slashes. */
  readonly path: Uint8Array;
  readonly inode: Inode;
}

export interface LinkStep extends RestoreStep {
  /** The name that was made first. */
  readonly existing: Uint8Array;
}

export interface RestorePlan {
  /** Directories by their depth. */
  readonly levels: readonly (readonly RestoreStep[])[];
  readonly files: readonly RestoreStep[];
  /** Symlinks, devices, FIFOs, sockets. */
  readonly others: readonly RestoreStep[];
  readonly links: readonly LinkStep[];
  readonly entryCount: number;
  readonly fileBytes: number;
}

const SLASH = Buffer.from('/');

/** @param name of the root in the folder */
export function planRestore(root: Inode, name: Uint8Array): RestorePlan {
  const files: RestoreStep[] = [];
  const others: RestoreStep[] = [];
  const links: LinkStep[] = [];
  const first = new Map<Inode, Uint8Array>();
  let entryCount = 0;
  let fileBytes = 0;
  const add = (path: Uint8Array, inode: Inode): void => {
    entryCount++;
    const existing = first.get(inode);
    if (existing !== undefined) {
      links.push({ path, inode, existing });
      return;
    }
    first.set(inode, path);
    fileBytes += inode.size;
    ((inode.mode & S_IFMT) === S_IFREG ? files : others).push({ path, inode });
  };
  const levels: RestoreStep[][] = [];
  let level: RestoreStep[] = [];
  if (root.entries === undefined) add(name, root);
  else level.push({ path: name, inode: root });
  while (level.length > 0) {
    levels.push(level);
    entryCount += level.length;
    const below: RestoreStep[] = [];
    for (const { path, inode } of level) {
      for (const entry of inode.entries ?? []) {
        const child = Buffer.concat([path, SLASH, entry.name]);
        if (entry.inode.entries === undefined) add(child, entry.inode);
        else below.push({ path: child, inode: entry.inode });
      }
    }
    level = below;
  }
  return { levels, files, others, links, entryCount, fileBytes };
}
