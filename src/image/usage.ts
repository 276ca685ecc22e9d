/**
 * What folders of an image take: bytes, stored bytes, and how much of that nothing else refers to. One pass
 * over the contents, one over the tree in pre-order; about 80 bytes of memory for each chunk and each folder.
 *
 * A chunk counts once for a folder however often it is below it: of two references that follow each other
 * in pre-order, their lowest common folder takes back the second. What is below all references of a chunk
 * has it for itself: that begins at the lowest common folder of them all (Tarjan's off-line method). Chunks
 * that are in the same contents are counted together.
 */
import { checkpoint } from '../base/abort.ts';
import type { WalkStart } from '../format/index/walk.ts';
import { type ChunkGroups, groupChunks } from './chunk-groups.ts';
import type { Image } from './open.ts';
import { UsageNodes } from './usage-nodes.ts';

/** Entries between two looks at the signal. */
const CHECK_INTERVAL = 4096;
const SLASH = 0x2f;

/** Sums below a folder, or of one file. */
export interface Usage {
  /** Bytes of files outside holes; one with several names below the folder counts once. */
  readonly size: number;
  /** Stored bytes of the different chunks. */
  readonly stored: number;
  /** Of these: the ones that nothing outside refers to, in this image or the others. */
  readonly unique: number;
  /** Of these: the ones that the other images have too. */
  readonly shared: number;
  /** Names, the folder's own included. */
  readonly entries: number;
}

export interface UsageRow extends Usage {
  readonly path: Uint8Array;
  readonly type: 'directory' | 'file';
  readonly depth: number;
}

export interface UsageOptions {
  /** Images whose chunks are not unique to this one. */
  readonly against?: readonly Pick<Image, 'contents'>[] | undefined;
  /** Rows for files too. */
  readonly withFiles?: boolean | undefined;
  /** Rows down to this depth; default all. */
  readonly depthMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Rows for what is named and the folders below, each behind those below it, as du(1) has them.
 *
 * What refers to a chunk elsewhere is seen too: the whole image is read, whatever is asked for.
 *
 * @throws ERR_FLIST_FORMAT, ERR_ABORTED
 */
export async function* imageUsage(
  image: Pick<Image, 'index' | 'contents'>,
  starts: readonly WalkStart[],
  options: UsageOptions = {},
): AsyncGenerator<UsageRow> {
  const isFile = ({ nid }: WalkStart): boolean => image.index.inode(nid).type !== 'directory';
  const { against = [], withFiles = false, signal } = options;
  const others = against.map(({ contents }) => contents);
  const groups = await groupChunks(image.contents, others, signal);
  const measure = new Measure(image, options, groups, withFiles || starts.some(isFile));
  const nodes = await measure.run();
  for (const start of starts) yield* measure.rows(nodes, start);
}

class Measure {
  readonly #image: Pick<Image, 'index' | 'contents'>;
  readonly #options: UsageOptions;
  readonly #groups: ChunkGroups;
  readonly #hasFileNodes: boolean;
  /** The node that referred to a group last, and the lowest common one of all, from 1 on. */
  readonly #last: Uint32Array;
  readonly #common: Uint32Array;
  /** The node of the latest name of an inode, from 1 on. */
  readonly #lastName: Uint32Array;

  constructor(
    image: Pick<Image, 'index' | 'contents'>,
    options: UsageOptions,
    groups: ChunkGroups,
    hasFileNodes: boolean,
  ) {
    this.#image = image;
    this.#options = options;
    this.#groups = groups;
    this.#hasFileNodes = hasFileNodes;
    this.#last = new Uint32Array(groups.count);
    this.#common = new Uint32Array(groups.count);
    this.#lastName = new Uint32Array(image.index.inodeCount() + 1);
  }

  async run(): Promise<UsageNodes> {
    const { index } = this.#image;
    const nodes = new UsageNodes();
    const path: number[] = [];
    let work = 0;
    for (const { inode, type, depth } of index.walk()) {
      if (++work >= CHECK_INTERVAL) {
        work = 0;
        await checkpoint(this.#options.signal);
      }
      while (path.length > depth) nodes.leave(path.pop() as number);
      const above = path.at(-1) ?? 0;
      const hasRow = type === 'directory' || (type === 'file' && this.#hasFileNodes);
      const node = hasRow ? nodes.enter(above) : above;
      nodes.entries.add(node, 1);
      if (type === 'directory') path.push(node);
      else if (type === 'file') {
        work += this.#addFile(nodes, node, inode.ino);
        if (hasRow) nodes.leave(node);
      }
    }
    for (const node of path.reverse()) nodes.leave(node);
    this.#settle(nodes);
    nodes.sum();
    return nodes;
  }

  /** @returns number of groups */
  #addFile(nodes: UsageNodes, node: number, ino: number): number {
    const { starts, members, dataBytes } = this.#groups;
    const content = this.#image.contents.contentOf(ino);
    if (content === undefined) return 0;
    const last = (this.#lastName[ino] as number) - 1;
    this.#lastName[ino] = node + 1;
    const size = dataBytes[content] as number;
    nodes.size.add(node, size);
    if (last !== -1) nodes.size.add(nodes.common(last), -size);
    const [start, end] = [starts[content] as number, starts[content + 1] as number];
    for (let i = start; i < end; i++) this.#addGroup(nodes, node, members[i] as number);
    return end - start;
  }

  #addGroup(nodes: UsageNodes, node: number, group: number): void {
    const last = (this.#last[group] as number) - 1;
    if (last === node) return;
    const isForeign = this.#groups.isForeign[group] === 1;
    const stored = this.#groups.stored[group] as number;
    this.#last[group] = node + 1;
    const common = last === -1 ? node : nodes.common((this.#common[group] as number) - 1);
    this.#common[group] = common + 1;
    nodes.stored.add(node, stored);
    if (isForeign) nodes.shared.add(node, stored);
    if (last === -1) return;
    const twice = nodes.common(last);
    nodes.stored.add(twice, -stored);
    if (isForeign) nodes.shared.add(twice, -stored);
  }

  #settle(nodes: UsageNodes): void {
    const { count, isForeign, stored } = this.#groups;
    for (let group = 0; group < count; group++) {
      const common = this.#common[group] as number;
      // A content that no inode has is in nobody's folder.
      if (isForeign[group] === 1 || common === 0) continue;
      nodes.unique.add(common - 1, stored[group] as number);
    }
  }

  async *rows(nodes: UsageNodes, start: WalkStart): AsyncGenerator<UsageRow> {
    const { depthMax = Number.POSITIVE_INFINITY, withFiles } = this.#options;
    const open: UsageRow[] = [];
    let node = -1;
    let topDepth: number | undefined;
    let count = 0;
    for (const entry of this.#image.index.walk()) {
      if (++count % CHECK_INTERVAL === 0) await checkpoint(this.#options.signal);
      const { type } = entry;
      if (type === 'directory' || (type === 'file' && this.#hasFileNodes)) node++;
      if (topDepth === undefined) {
        const isTop = entry.nid === start.nid && isPath(entry.path(), start.path);
        if (!isTop && type === 'directory' && !isAbove(entry.path(), start.path)) {
          entry.skip();
          node = nodes.lastBelow(node);
        }
        if (!isTop) continue;
        topDepth = entry.depth;
      } else if (entry.depth <= topDepth) break;
      const depth = entry.depth - topDepth;
      while (open.length > depth) {
        const row = open.pop() as UsageRow;
        if (row.depth <= depthMax) yield row;
      }
      if (type === 'directory') {
        open.push(this.#row(nodes, node, entry.path(), 'directory', depth));
        if (depth >= depthMax) {
          entry.skip();
          node = nodes.lastBelow(node);
        }
      } else if (type === 'file' && (withFiles === true || depth === 0) && depth <= depthMax) {
        yield this.#row(nodes, node, entry.path(), 'file', depth);
      }
    }
    for (const row of open.reverse()) if (row.depth <= depthMax) yield row;
  }

  #row(
    nodes: UsageNodes,
    node: number,
    path: Uint8Array,
    type: UsageRow['type'],
    depth: number,
  ): UsageRow {
    return {
      path,
      type,
      depth,
      size: nodes.size.get(node),
      stored: nodes.stored.get(node),
      unique: nodes.unique.get(node),
      shared: nodes.shared.get(node),
      entries: nodes.entries.get(node),
    };
  }
}

function isPath(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Whether a path leads through a folder. */
function isAbove(folder: Uint8Array, path: Uint8Array): boolean {
  if (folder.length === 1) return true;
  return path[folder.length] === SLASH && isPath(folder, path.subarray(0, folder.length));
}
