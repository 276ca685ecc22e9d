/**
 * Names of the inodes of one mount, for people: found in the mount index when the first is asked for. Reading
 * a large index takes a while and is done in slices, so that readers who wait for data do not wait for it.
 */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import type { ContentsReader } from '../format/index/contents-reader.ts';
import { PathTable } from '../format/index/paths.ts';
import { MountIndexReader } from '../format/index/reader.ts';
import { type FileSource, openFileSource } from '../image/file-source.ts';

/** For how long the event loop is held at a time. */
const SLICE_MS = 4;

/** What was read: an inode, and the row of its content where that is known. */
export interface Place {
  readonly nid: number;
  readonly content?: number | undefined;
}

/** The tree of a mount: from names to inodes, and back. */
export interface NamedTree {
  readonly index: MountIndexReader;
  readonly paths: PathTable;
}

export class PathNames {
  readonly #indexDir: string;
  #file: FileSource | undefined;
  #tree: Promise<NamedTree> | undefined;
  #firstInodes: Uint32Array | undefined;
  #closed = false;

  constructor(indexDir: string) {
    this.#indexDir = indexDir;
  }

  /**
   * Path from the root of the image, beginning with a slash; `undefined` when it cannot be told.
   *
   * @throws ERR_FLIST_FORMAT when the index is broken; ERR_IO; ERR_ABORTED after the mount's end
   */
  async find({ nid }: Place): Promise<Uint8Array | undefined> {
    return (await this.openTree()).paths.find(nid);
  }

  /** The same for the first file that has a content, of the rows of `contents`. */
  async findContent(content: number, contents: ContentsReader): Promise<Uint8Array | undefined> {
    const { paths } = await this.openTree();
    this.#firstInodes ??= contents.firstInodes();
    return paths.findNumber(this.#firstInodes[content] ?? 0);
  }

  close(): void {
    this.#closed = true;
    this.#file?.close();
  }

  /**
   * Reads the index when it is first needed.
   *
   * @throws as {@link find}
   */
  async openTree(): Promise<NamedTree> {
    this.#tree ??= this.#build();
    const tree = await this.#tree;
    this.#requireOpen();
    return tree;
  }

  async #build(): Promise<NamedTree> {
    this.#requireOpen();
    this.#file = openFileSource(join(this.#indexDir, 'mount.erofs'));
    const index = new MountIndexReader(this.#file);
    const table = new PathTable(index);
    let sliceEnd = performance.now() + SLICE_MS;
    for (const _step of table.build()) {
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      this.#requireOpen();
      sliceEnd = performance.now() + SLICE_MS;
    }
    return { index, paths: table };
  }

  #requireOpen(): void {
    if (this.#closed) throw new G8Error('ERR_ABORTED', 'The mount has ended');
  }
}

/** A path for JSON: text, and hex where the bytes are no UTF-8. Without one, the inode's number stands in. */
export function fieldsOfPath(
  path: Uint8Array | undefined,
  nid: number,
): { path: string; pathHex?: string } {
  if (path === undefined) return { path: `inode ${nid}` };
  const text = Buffer.from(path).toString();
  return Buffer.from(text).equals(path) ? { path: text } : { path: text, pathHex: toHex(path) };
}
