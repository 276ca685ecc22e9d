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
      expression.run(new Candidate(index, entry), effects);
      if (effects.isPruned) entry.skip();
      if (effects.outputs.length > 0) yield { entry, outputs: effects.outputs };
      if (effects.isLast) return;
    }
  }
}

/** What the tests see of an entry, made only as far as they ask. */
class Candidate implements FindEntry {
  readonly #index: Image['index'];
  readonly #entry: WalkEntry;

  constructor(index: Image['index'], entry: WalkEntry) {
    this.#index = index;
    this.#entry = entry;
  }

  get inode(): WalkEntry['inode'] {
    return this.#entry.inode;
  }

  get name(): string {
    const { name } = this.#entry;
    // As find(1): the root's name is a slash.
    return name.length === 0 ? '/' : textOf(name);
  }

  path(): string {
    return textOf(this.#entry.path());
  }

  isEmpty(): boolean {
    const { type, size, nid } = this.inode;
    if (type === 'file') return size === 0;
    return type === 'directory' && this.#index.readdir(nid).next().done === true;
  }

  xattrNames(): string[] {
    return this.#index.xattrs(this.inode.nid).map(({ name }) => textOf(name));
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}
