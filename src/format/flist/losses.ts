/** What the historical records cannot say of a tree. Pure. */
import { CODEC } from '../../base/codec.ts';
import { type Inode, S_IFDIR, S_IFMT } from '../tree.ts';

/** One kind of facts, and how many files it is lost for. */
export interface Loss {
  readonly what:
    | 'extended attributes'
    | 'fractions of seconds'
    | 'times before 1970'
    | 'times after 2106'
    | 'hard links'
    | 'lost chunks'
    | 'creation times'
    | 'owner names';
  readonly count: number;
}

const TIME_MAX = 2 ** 32 - 1;

/** What the records of a historical flist say and its tree does not, counted while it is read. */
export type Unread = Extract<Loss['what'], 'creation times' | 'owner names'>;

/** Empty when the records say all that the tree does. */
export function historicalLosses(root: Inode): Loss[] {
  const names = new Map<Inode, number>([[root, 1]]);
  const counts = new Map<Loss['what'], number>();
  const add = (what: Loss['what'], count = 1): void => {
    counts.set(what, (counts.get(what) ?? 0) + count);
  };
  // A map gives what is added to it while it is walked.
  for (const inode of names.keys()) {
    for (const entry of inode.entries ?? []) {
      names.set(entry.inode, (names.get(entry.inode) ?? 0) + 1);
    }
  }
  for (const [inode, count] of names) {
    if (inode.xattrs?.length) add('extended attributes');
    if (inode.mtimeNanoseconds !== 0) add('fractions of seconds');
    if (inode.mtimeSeconds < 0) add('times before 1970');
    if (inode.mtimeSeconds > TIME_MAX) add('times after 2106');
    if (count > 1 && (inode.mode & S_IFMT) !== S_IFDIR) add('hard links', count - 1);
    if (inode.content?.chunks.some(({ codec }) => codec === CODEC.lost)) add('lost chunks');
  }
  return [...counts].map(([what, count]) => ({ what, count }));
}
