/**
 * Foretells what the dynamic linker will read: when the beginning of a program or library has come, the libraries that
 * it names are asked for at once, and those that these name, and the parts that are relocated before anything runs.
 *
 * What an ELF file says is hostile: it is read by a bounded parser, and leads to nothing but contents of its own image.
 * Reading it stops at blocks that are not local, asks for them and begins anew.
 */
import { toHex } from '../../base/bytes.ts';
import type { CacheLayout } from '../../cache/layout.ts';
import type { FillSpan } from '../../cache/load.ts';
import type { ContentsReader } from '../../format/index/contents-reader.ts';
import type { ByteSource } from '../../format/index/source.ts';
import { type ElfRange, readElf, readElfHead } from '../../image/elf.ts';
import { type FileSource, openFileSource, SMALL_PAGE_SIZE } from '../../image/file-source.ts';
import { findFile, type NeededFile, neededFiles } from '../../image/needed-files.ts';
import { contentRef } from '../content-ref.ts';
import type { NamedTree } from '../path-names.ts';

/** Files of one mount that are read; a start needs some dozens. */
const FILES_MAX = 512;
/** Files that are being read or waited for. */
const RUNNING_MAX = 64;
/** Times that a file is begun anew because a block was absent: header, dynamic entries, strings. */
const TURNS_MAX = 4;
/** Blocks of one file that are asked for because they are relocated: 4 MiB of the usual ones. */
const LINKED_BLOCKS_MAX = 8;
/** Files up to this are wanted whole: the kernel reads 1 MiB around each place that a program comes to. */
const WHOLE_BYTES_MAX = 8 * 1024 * 1024;
/** Blocks of the rest that are on the line before a reader's: one request at a time. */
const REST_BLOCKS = 3;
/** Read by the dynamic linker of glibc before it looks for a library. */
const LINKER_CACHE = '/etc/ld.so.cache';

export interface LinkedFilesOptions {
  readonly contents: ContentsReader;
  readonly layout: Pick<CacheLayout, 'filePath' | 'partialPath'>;
  /** Makes blocks local if that is allowed; false when they are not. Never rejects. */
  readonly fetch: (spans: readonly FillSpan[]) => Promise<boolean>;
}

/** A file of the mount's image. */
export interface PlacedFile {
  readonly row: number;
  /** Without links; `undefined` when it is not known. */
  readonly path: string | undefined;
}

/** A block that is needed and may not be local. */
class AbsentBlock extends Error {
  readonly block: number;

  constructor(block: number) {
    super(`Block ${block} is absent`);
    this.block = block;
  }
}

export class LinkedFiles {
  readonly #options: LinkedFilesOptions;
  readonly #seen = new Set<number>();
  readonly #rest: FillSpan[] = [];
  #running = 0;
  #isFetchingRest = false;

  constructor(options: LinkedFilesOptions) {
    this.#options = options;
  }

  /**
   * The first block of a file is local now.
   *
   * @throws ERR_FLIST_FORMAT when the index is broken
   */
  async follow(file: PlacedFile, tree: NamedTree): Promise<void> {
    await this.#follow(file, tree, new Set([0]));
  }

  async #follow(file: PlacedFile, tree: NamedTree, local: Set<number>): Promise<void> {
    if (this.#seen.has(file.row) || this.#seen.size >= FILES_MAX) return;
    if (this.#running >= RUNNING_MAX) return;
    this.#seen.add(file.row);
    this.#running++;
    try {
      await this.#link(file, tree, local);
    } finally {
      this.#running--;
    }
  }

  async #link({ row, path }: PlacedFile, tree: NamedTree, local: Set<number>): Promise<void> {
    const { contents, fetch } = this.#options;
    const ref = contentRef(contents, row);
    const head = this.#read(ref, readElfHead, local);
    if (head === undefined || head instanceof AbsentBlock) return;
    const own = absentBlocks([...endOf(ref), ...blocksOf(head.data, ref)], local);
    const first = this.#askFor(runnersOf(head.interpreter, tree), tree);
    const isFetched = own.length === 0 || (await fetch(spansOf(ref, own)));
    for (const block of isFetched ? own : []) local.add(block);
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const elf = this.#read(ref, readElf, local);
      if (elf === undefined) break;
      if (!(elf instanceof AbsentBlock)) {
        const tables = elf.relocations === undefined ? [] : [elf.relocations];
        const more = absentBlocks(blocksOf(tables, ref), local);
        const asked = this.#askFor(neededFiles(elf, path ?? '/', tree.index), tree, {
          ref,
          blocks: more,
        });
        for (const block of more) local.add(block);
        this.#addRest(ref, local);
        await asked;
        break;
      }
      if (!(await fetch(spansOf(ref, [elf.block])))) break;
      local.add(elf.block);
    }
    await first;
  }

  /** Fetches where files begin and end, and goes on with what these need. */
  async #askFor(
    files: readonly NeededFile[],
    tree: NamedTree,
    more?: { readonly ref: FillSpan['ref']; readonly blocks: readonly number[] },
  ): Promise<void> {
    const { contents, fetch } = this.#options;
    const placed = files.flatMap(({ nid, path }) => {
      const row = contents.contentOf(tree.index.inode(nid).ino);
      if (row === undefined || this.#seen.has(row)) return [];
      const ref = contentRef(contents, row);
      return [{ row, path, ref, blocks: [0, ...endOf(ref)] }];
    });
    const spans = [...placed, ...(more === undefined ? [] : [more])].flatMap(({ ref, blocks }) =>
      spansOf(ref, blocks),
    );
    if (spans.length === 0 || !(await fetch(spans))) return;
    await Promise.all(placed.map((file) => this.#follow(file, tree, new Set(file.blocks))));
  }

  /** The rest of a file goes behind what other files need first. */
  #addRest(ref: FillSpan['ref'], local: ReadonlySet<number>): void {
    if (ref.size > WHOLE_BYTES_MAX) return;
    const all = Array.from({ length: ref.chunkCount }, (_, block) => block);
    this.#rest.push(...spansOf(ref, absentBlocks(all, local)));
    if (!this.#isFetchingRest) void this.#fetchRest();
  }

  async #fetchRest(): Promise<void> {
    this.#isFetchingRest = true;
    while (this.#rest.length > 0) {
      if (!(await this.#options.fetch(this.#rest.splice(0, REST_BLOCKS)))) this.#rest.length = 0;
    }
    this.#isFetchingRest = false;
  }

  /** What a file tells as far as it is local; `undefined` when it is no ELF file or cannot be read. */
  #read<T>(
    ref: FillSpan['ref'],
    parse: (source: ByteSource) => T,
    local: ReadonlySet<number>,
  ): T | AbsentBlock | undefined {
    const file = this.#open(toHex(ref.digest));
    if (file === undefined) return undefined;
    try {
      return parse(sourceOf(file, ref, local));
    } catch (error) {
      // Whatever else is wrong with the file, whoever reads it will see.
      return error instanceof AbsentBlock ? error : undefined;
    } finally {
      file.close();
    }
  }

  #open(key: string): FileSource | undefined {
    const { layout } = this.#options;
    // It may be moved to its place meanwhile.
    for (const path of [layout.filePath(key), layout.partialPath(key), layout.filePath(key)]) {
      try {
        return openFileSource(path, SMALL_PAGE_SIZE);
      } catch {
        // Not there.
      }
    }
    return undefined;
  }
}

/** The program interpreter, and what it reads first. */
function runnersOf(path: string | undefined, { index }: NamedTree): NeededFile[] {
  if (path === undefined) return [];
  return [path, LINKER_CACHE].flatMap((each) => findFile(each, index) ?? []);
}

/** The file as far as it is local. */
function sourceOf(
  file: ByteSource,
  { size, blockSize }: FillSpan['ref'],
  local: ReadonlySet<number>,
): ByteSource {
  return {
    size,
    read: (offset, length) => {
      const last = Math.floor((offset + Math.max(1, length) - 1) / blockSize);
      for (let block = Math.floor(offset / blockSize); block <= last; block++) {
        if (!local.has(block)) throw new AbsentBlock(block);
      }
      return file.read(offset, length);
    },
  };
}

/** The last block, where data and what is linked are, unless it is the first as well. */
function endOf({ chunkCount }: FillSpan['ref']): number[] {
  return chunkCount > 1 ? [chunkCount - 1] : [];
}

function blocksOf(ranges: readonly ElfRange[], { size, blockSize }: FillSpan['ref']): number[] {
  const blocks: number[] = [];
  for (const { offset, size: length } of ranges) {
    const end = Math.min(size, offset + length);
    for (let block = Math.floor(offset / blockSize); block * blockSize < end; block++) {
      if (blocks.length >= LINKED_BLOCKS_MAX) return blocks;
      blocks.push(block);
    }
  }
  return blocks;
}

function absentBlocks(blocks: readonly number[], local: ReadonlySet<number>): number[] {
  return [...new Set(blocks)].filter((block) => !local.has(block));
}

function spansOf(ref: FillSpan['ref'], blocks: readonly number[]): FillSpan[] {
  return blocks.map((first) => ({ ref, first, count: 1 }));
}
