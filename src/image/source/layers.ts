/**
 * Images of tar archives: one archive, or layers one over the other. Only contents that the image has in
 * the end are packed: the top layer's while it is first read, those of layers below in a second pass. A
 * single archive is read once.
 */
import { getHeapStatistics } from 'node:v8';
import { throwIfAborted } from '../../base/abort.ts';
import { G8Error, isG8Error, toG8Error } from '../../base/errors.ts';
import type { Metadata } from '../../format/flist/metadata.ts';
import { LayerTree } from '../../format/layer/layer-tree.ts';
import type { MutableInode } from '../../format/layer/node.ts';
import type { TarEntry } from '../../format/tar/entry.ts';
import { showTarName } from '../../format/tar/malformed.ts';
import { TarReader } from '../../format/tar/reader.ts';
import type { StreamBinding } from '../../native/addon.ts';
import { entryBlocks } from './blocks.ts';
import type { ImageSource, SourceRun, SourceTree } from './source.ts';
import { StreamPacker } from './stream-packer.ts';

export interface LayerOpenOptions {
  readonly signal: AbortSignal;
  /** Decoders for what is compressed. */
  readonly streams: StreamBinding;
  /** To be called with the bytes read so far, compressed as they are, when {@link Layer.size} is known. */
  readonly onPosition: (position: number) => void;
}

/** One tar archive. */
export interface Layer {
  /** For messages: a file, a digest. */
  readonly name: string;
  /** Bytes to read, compressed as they are; absent when that is not known. */
  readonly size?: number | undefined;
  /** Whether {@link open} may be called again, and gives the same bytes. */
  readonly isRepeatable: boolean;
  /** The archive, decompressed. Pieces that have been handed out are not used again. */
  open(options: LayerOpenOptions): AsyncIterable<Uint8Array>;
}

export interface LayersSourceOptions {
  readonly name: string;
  /** From the bottom up. */
  readonly layers: readonly Layer[];
  /** Whether names that begin with `.wh.` hide what is below, as OCI has it. */
  readonly whiteouts: boolean;
  /** Settings that the image takes over. */
  readonly metadata?: Metadata | undefined;
  /** May refuse an entry by throwing, before anything is done with it. */
  readonly onEntry?: ((entry: TarEntry) => void) | undefined;
  /** Called once, when the image is made or has failed. */
  readonly onClose?: (() => Promise<void>) | undefined;
}

/** Files of a layer whose contents are still to be read, by the number of their entry. */
type Wanted = Map<number, MutableInode>;

export class LayersSource implements ImageSource {
  readonly name: string;
  readonly #options: LayersSourceOptions;
  #isClosed = false;

  constructor(options: LayersSourceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async load(run: SourceRun): Promise<SourceTree> {
    const { layers, whiteouts, metadata } = this.#options;
    // Node ends a process whose heap is full; an archive is not to do that.
    const sizeMax = getHeapStatistics().heap_size_limit;
    const tree = new LayerTree({ whiteouts, exclude: run.exclude, sizeMax });
    const packer = new StreamPacker(run.writer);
    try {
      const waiting = await this.#readTree(tree, packer, run);
      await packer.finish();
      const { root, entryCount, inodes } = tree.finish();
      run.progress.entries = entryCount;
      for (const wanted of waiting) keepOnly(wanted, inodes);
      const todo = layers.flatMap((layer, i) => {
        const wanted = waiting[i] as Wanted;
        return wanted.size > 0 ? [{ layer, wanted }] : [];
      });
      await readContents(todo, packer, run);
      return { root, entryCount, metadata };
    } finally {
      await packer.settle();
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#options.onClose?.();
  }

  /** Reads all layers once. @returns for each one what is left to be read if the image has it */
  async #readTree(tree: LayerTree, packer: StreamPacker, run: SourceRun): Promise<Wanted[]> {
    const { layers, onEntry } = this.#options;
    const { progress, writer } = run;
    const waiting: Wanted[] = [];
    let position = 0;
    progress.positionTotal = totalSize(layers);
    for (const [i, layer] of layers.entries()) {
      const wanted: Wanted = new Map();
      const isTop = i === layers.length - 1;
      if (i > 0) tree.nextLayer();
      if (isTop) progress.phase = 'storing';
      await readLayer(layer, run, position, async (entry, number, reader) => {
        onEntry?.(entry);
        const file = named(layer, () => tree.add(entry));
        progress.entries = tree.entryCount;
        if (file === undefined) return;
        // What lies on top stays, unless it is excluded and no link leads to it.
        if (!isTop || file.isExcluded) wanted.set(number, file.inode);
        else await packEntry(layer, entry, file.inode, reader, packer, writer.blockSize);
      });
      position += layer.size ?? 0;
      waiting.push(wanted);
    }
    return waiting;
  }
}

/** The second pass: contents of what is in the image. */
async function readContents(
  todo: readonly { readonly layer: Layer; readonly wanted: Wanted }[],
  packer: StreamPacker,
  run: SourceRun,
): Promise<void> {
  const { progress, writer } = run;
  progress.phase = 'storing';
  let position = 0;
  if (todo.length > 0) {
    progress.positionTotal = totalSize(todo.map(({ layer }) => layer));
    progress.position = 0;
  }
  for (const { layer, wanted } of todo) {
    if (!layer.isRepeatable) {
      throw new G8Error(
        'ERR_USAGE',
        `${layer.name} has hard links to files that are excluded, and cannot be read twice`,
      );
    }
    let left = wanted.size;
    // To the end, even when nothing is left to be packed: only there a layer can tell that its digest is right.
    await readLayer(layer, run, position, async (entry, number, reader) => {
      const inode = wanted.get(number);
      if (inode === undefined) return;
      if (entry.type !== 'file' || entry.size !== inode.size) throw changed(layer);
      await packEntry(layer, entry, inode, reader, packer, writer.blockSize);
      left--;
    });
    if (left > 0) throw changed(layer);
    position += layer.size ?? 0;
  }
  await packer.finish();
}

/** Reads the entries of one layer. `position` is the bytes of the layers before it. */
async function readLayer(
  layer: Layer,
  run: SourceRun,
  position: number,
  take: (entry: TarEntry, number: number, reader: TarReader) => Promise<void>,
): Promise<void> {
  const { addon, signal, progress } = run;
  throwIfAborted(signal);
  const onPosition = (bytes: number): void => {
    progress.position = position + bytes;
  };
  const reader = new TarReader(layer.open({ signal, streams: addon, onPosition }));
  try {
    for (let number = 0; ; number++) {
      const entry = await named(layer, () => reader.next());
      throwIfAborted(signal);
      if (entry === undefined) return;
      await take(entry, number, reader);
    }
  } finally {
    await reader.close();
  }
}

async function packEntry(
  layer: Layer,
  entry: TarEntry,
  inode: MutableInode,
  reader: TarReader,
  packer: StreamPacker,
  blockSize: number,
): Promise<void> {
  const title = `${showTarName(entry.path)} of ${layer.name}`;
  await named(layer, () => packer.add(inode, title, entryBlocks(reader, entry, blockSize)));
}

/** Names the archive in what is wrong with it. */
function named<T>(layer: Layer, action: () => T): T {
  try {
    const result = action();
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      throw withName(layer, error);
    }) as T;
  } catch (error) {
    throw withName(layer, error);
  }
}

function withName({ name }: Layer, error: unknown): unknown {
  if (!isG8Error(error)) {
    // Of the system; anything else is a bug and stays what it is.
    const isReading = error instanceof Error && ('code' in error || error.name === 'AbortError');
    return isReading ? toG8Error(error, 'ERR_IO', `${name} cannot be read`) : error;
  }
  if (error.code !== 'ERR_FLIST_FORMAT') return error;
  const { code, message, details } = error;
  return new G8Error(code, `${name}: ${message}`, { cause: error, details });
}

function keepOnly(wanted: Wanted, inodes: ReadonlySet<unknown>): void {
  for (const [number, inode] of wanted) {
    if (!inodes.has(inode) || inode.content !== undefined) wanted.delete(number);
  }
}

/** 0 when one of the sizes is not known. */
function totalSize(layers: readonly Layer[]): number {
  return layers.every(({ size }) => size !== undefined)
    ? layers.reduce((total, { size }) => total + (size as number), 0)
    : 0;
}

function changed({ name }: Layer): G8Error {
  return new G8Error('ERR_IO', `${name} changed while it was read`);
}
