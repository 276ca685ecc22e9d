/** Runs a compiled expression over an image. Reads the mount index as far as the expression asks. */
import { checkpoint } from '../../base/abort.ts';
import type { WalkEntry, WalkStart } from '../../format/index/walk.ts';
import type { Image } from '../open.ts';
import type { FindEffects, FindExpression, FindOutput } from './expression.ts';
import type { FindEntry } from './tests.ts';

/** Entries between two looks at the signal. */
const CHECK_INTERVAL = 4096;

export interface FoundMatch {
  /** Only until the next step. */
  readonly entry: WalkEntry;
  /** What is to be printed of it. Only until the next step. */
  readonly outputs: readonly FindOutput[];
}

/**
 * @param starts where to begin, one after the other
 * @throws ERR_FLIST_FORMAT, ERR_ABORTED
 */
export async function* searchImage(
  { index }: Pick<Image, 'index'>,
  starts: readonly WalkStart[],
  expression: FindExpression,
  signal?: AbortSignal,
): AsyncGenerator<FoundMatch> {
  const effects: FindEffects = { outputs: [], isPruned: false, isLast: false };
  let count = 0;
  for (const start of starts) {
    for (const entry of index.walk(start)) {
      if (++count % CHECK_INTERVAL === 0) await checkpoint(signal);
      if (entry.depth >= expression.depthMax) entry.skip();
      if (entry.depth < expression.depthMin) continue;
      effects.outputs.length = 0;
      effects.isPruned = false;
      expression.run(findEntryOf(index, entry), effects);
      if (effects.isPruned) entry.skip();
      if (effects.outputs.length > 0) yield { entry, outputs: effects.outputs };
      if (effects.isLast) return;
    }
  }
}

/** What the tests see of an entry, made only as far as they ask. */
function findEntryOf(index: Image['index'], { name, inode, path }: WalkEntry): FindEntry {
  return {
    inode,
    get name() {
      // As find(1): the root's name is a slash.
      return name.length === 0 ? '/' : Buffer.from(name).toString();
    },
    path: () => Buffer.from(path()).toString(),
    isEmpty: () => {
      if (inode.type === 'file') return inode.size === 0;
      return inode.type === 'directory' && index.readdir(inode.nid).next().done === true;
    },
    xattrNames: () => index.xattrs(inode.nid).map((xattr) => Buffer.from(xattr.name).toString()),
  };
}
