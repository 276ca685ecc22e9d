/**
 * Several trees shown as one. Pure; the result shares inodes with its parts, which stay as they are.
 */
import { compareBytes } from '../../base/bytes.ts';
import { type Dentry, type Inode, S_IFDIR, S_IFMT } from '../tree.ts';

/** A directory to be filled from the directories of the same path, the winner first. */
interface Task {
  readonly entries: Dentry[];
  readonly sources: readonly Inode[];
}

/**
 * Stacks layers as mounts do: the last one is on top. A name shows what the uppermost layer has there;
 * directories show the entries of all layers below as well, which a file in between does not stop.
 * There are no whiteouts: nothing can hide a name without putting something in its place.
 *
 * @throws RangeError when there is no layer
 */
export function stackTrees(layers: readonly Inode[]): Inode {
  return mergeTrees([...layers].reverse());
}

/**
 * Merges trees: where several have a name, the first one wins, and directories are merged deeply
 * under the attributes of the first.
 *
 * @throws RangeError when there is no tree
 */
export function mergeTrees(trees: readonly Inode[]): Inode {
  const [first] = trees;
  if (first === undefined) throw new RangeError('No tree to merge');
  const tasks: Task[] = [];
  const root = combine(trees, tasks);
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) fill(task, tasks);
  return root;
}

/** What a name shows of those that have it, the winner first. */
function combine(candidates: readonly Inode[], tasks: Task[]): Inode {
  const winner = candidates[0] as Inode;
  if (!isDirectory(winner)) return winner;
  const sources = candidates.filter(isDirectory);
  if (sources.length === 1) return winner;
  const entries: Dentry[] = [];
  tasks.push({ entries, sources });
  return { ...winner, entries };
}

function fill({ entries, sources }: Task, tasks: Task[]): void {
  // Latin-1 has a character for every byte.
  const byName = new Map<string, { name: Uint8Array; inodes: Inode[] }>();
  for (const source of sources) {
    for (const { name, inode } of source.entries ?? []) {
      const key = Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
      const found = byName.get(key);
      if (found === undefined) byName.set(key, { name, inodes: [inode] });
      else found.inodes.push(inode);
    }
  }
  for (const { name, inodes } of byName.values()) {
    entries.push({ name, inode: combine(inodes, tasks) });
  }
  entries.sort((a, b) => compareBytes(a.name, b.name));
}

function isDirectory(inode: Inode): boolean {
  return (inode.mode & S_IFMT) === S_IFDIR;
}
