/**
 * What folders of an image take: bytes, stored bytes, and how much of that nothing else refers to. One pass
 * over the tree in pre-order; about 60 bytes of memory for each chunk and each folder.
 *
 * A chunk counts once for a folder however often it is below it: of two references that follow each other
 * in pre-order, their lowest common folder takes back the second. What is below all references of a chunk
 * has it for itself: that begins at the lowest common folder of them all (Tarjan's off-line method).
 */
import { checkpoint } from '../base/abort.ts';
import { CODEC } from '../base/codec.ts';
import type { WalkStart } from '../format/index/walk.ts';
import { ChunkTable, Numbers } from './chunk-table.ts';
import type { Image } from './open.ts';

/** Entries or contents between two looks at the signal. */
const CHECK_INTERVAL = 4096;

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
  const measure = new Measure(image, options, options.withFiles === true || starts.some(isFile));
  await measure.addOthers();
  const nodes = await measure.run();
  for (const start of starts) yield* measure.rows(nodes, start);
}

/** Folders (and files, when they have rows) by their number in pre-order. */
class Nodes {
  count = 0;
  readonly parent = new Numbers();
  /** The nearest folder above that is still open, in few steps. */
  readonly open = new Numbers();
  readonly size = new Numbers();
  readonly stored = new Numbers();
  readonly unique = new Numbers();
  readonly shared = new Numbers();
  readonly entries = new Numbers();

  enter(parent: number): number {
    const node = this.count++;
    this.parent.set(node, parent);
    this.open.set(node, node);
    for (const column of [this.size, this.stored, this.unique, this.shared, this.entries]) {
      column.set(node, 0);
    }
    return node;
  }

  leave(node: number): void {
    this.open.set(node, this.parent.get(node));
  }

  /** Lowest common folder of a node seen earlier and the one that is being read. */
  common(node: number): number {
    let top = node;
    while (this.open.get(top) !== top) top = this.open.get(top);
    for (let at = node; at !== top; ) {
      const next = this.open.get(at);
      this.open.set(at, top);
      at = next;
    }
    return top;
  }

  /** Adds what is in each node to the one above. */
  sum(): void {
    for (let node = this.count - 1; node > 0; node--) {
      const parent = this.parent.get(node);
      for (const column of [this.size, this.stored, this.unique, this.shared, this.entries]) {
        column.add(parent, column.get(node));
      }
    }
  }
}

class Measure {
  readonly #image: Pick<Image, 'index' | 'contents'>;
  readonly #options: UsageOptions;
  readonly #chunks = new ChunkTable();
  /** Chunks below this number are in other images. */
  #foreignCount = 0;
  /** The node that referred to a chunk last, and the lowest common one of all, from 1 on. */
  readonly #last = new Numbers();
  readonly #common = new Numbers();
  readonly #storedSizes = new Numbers();
  /** The node of the latest name of an inode, from 1 on. */
  readonly #lastName = new Numbers();

  readonly #hasFileNodes: boolean;

  constructor(
    image: Pick<Image, 'index' | 'contents'>,
    options: UsageOptions,
    hasFileNodes: boolean,
  ) {
    this.#image = image;
    this.#options = options;
    this.#hasFileNodes = hasFileNodes;
  }

  async addOthers(): Promise<void> {
    for (const { contents } of this.#options.against ?? []) {
      for (const content of contents.all()) {
        if (content.index % CHECK_INTERVAL === 0) await checkpoint(this.#options.signal);
        for (const { codec, id } of contents.chunksOf(content)) {
          if (codec !== CODEC.hole && codec !== CODEC.lost) this.#chunks.add(id);
        }
      }
    }
    this.#foreignCount = this.#chunks.count;
  }

  async run(): Promise<Nodes> {
    const { index } = this.#image;
    const nodes = new Nodes();
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
    this.#settle(nodes);
    nodes.sum();
    return nodes;
  }

  /** @returns number of chunks */
  #addFile(nodes: Nodes, node: number, ino: number): number {
    const { contents } = this.#image;
    const index = contents.contentOf(ino);
    if (index === undefined) return 0;
    const content = contents.content(index);
    const last = this.#lastName.get(ino) - 1;
    this.#lastName.set(ino, node + 1);
    nodes.size.add(node, content.dataBytes);
    if (last !== -1) nodes.size.add(nodes.common(last), -content.dataBytes);
    for (const { codec, id, storedSize } of contents.chunksOf(content)) {
      if (codec !== CODEC.hole && codec !== CODEC.lost) this.#addChunk(nodes, node, id, storedSize);
    }
    return content.chunkCount;
  }

  #addChunk(nodes: Nodes, node: number, id: Uint8Array, storedSize: number): void {
    const chunk = this.#chunks.add(id);
    const last = this.#last.get(chunk) - 1;
    if (last === node) return;
    const isForeign = chunk < this.#foreignCount;
    this.#last.set(chunk, node + 1);
    const common = last === -1 ? node : nodes.common(this.#common.get(chunk) - 1);
    this.#common.set(chunk, common + 1);
    // Rows of one chunk may disagree in a malformed index; the first one counts.
    if (last === -1) this.#storedSizes.set(chunk, storedSize);
    const stored = this.#storedSizes.get(chunk);
    nodes.stored.add(node, stored);
    if (isForeign) nodes.shared.add(node, stored);
    if (last === -1) return;
    const twice = nodes.common(last);
    nodes.stored.add(twice, -stored);
    if (isForeign) nodes.shared.add(twice, -stored);
  }

  #settle(nodes: Nodes): void {
    for (let chunk = this.#foreignCount; chunk < this.#chunks.count; chunk++) {
      nodes.unique.add(this.#common.get(chunk) - 1, this.#storedSizes.get(chunk));
    }
  }

  async *rows(nodes: Nodes, start: WalkStart): AsyncGenerator<UsageRow> {
    const { depthMax = Number.POSITIVE_INFINITY, withFiles } = this.#options;
    const open: UsageRow[] = [];
    let node = -1;
    let topDepth: number | undefined;
    let count = 0;
    for (const entry of this.#image.index.walk()) {
      if (++count % CHECK_INTERVAL === 0) await checkpoint(this.#options.signal);
      const { type } = entry;
      const hasNode = type === 'directory' || (type === 'file' && this.#hasFileNodes);
      if (hasNode) node++;
      if (topDepth === undefined) {
        if (entry.nid !== start.nid || !isPath(entry.path(), start.path)) continue;
        topDepth = entry.depth;
      } else if (entry.depth <= topDepth) break;
      const depth = entry.depth - topDepth;
      while (open.length > depth) {
        const row = open.pop() as UsageRow;
        if (row.depth <= depthMax) yield row;
      }
      if (type === 'directory') open.push(this.#row(nodes, node, entry.path(), 'directory', depth));
      else if (type === 'file' && (withFiles === true || depth === 0) && depth <= depthMax) {
        yield this.#row(nodes, node, entry.path(), 'file', depth);
      }
    }
    for (const row of open.reverse()) if (row.depth <= depthMax) yield row;
  }

  #row(
    nodes: Nodes,
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
