/** Images made in a test without native code, and what is in them. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import type { Inode } from '../../src/format/tree.ts';
import { type CreateOptions, type CreateSummary, createFlist } from '../../src/image/create.ts';
import { loadFlist } from '../../src/image/load.ts';
import { readContent } from '../../src/image/read.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { fakeAddon } from './fake-addon.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export class ImageMaker {
  readonly folder: string;
  readonly store = new MemoryStore();
  readonly addon = fakeAddon();
  #count = 0;

  constructor(context: TestContext) {
    this.folder = temporaryDirectory(context);
  }

  /** Makes an image with blocks of 4 KiB; its summary with the path of its flist. */
  async create(
    source: CreateOptions['source'],
    options: Partial<CreateOptions> = {},
  ): Promise<CreateSummary & { readonly output: string }> {
    const output = join(this.folder, `${++this.#count}.flist`);
    const { store, addon } = this;
    const made = await createFlist({ source, output, store, addon, blockSize: 4096, ...options });
    return { ...made, output };
  }

  /** The inodes of an image by their paths. */
  async inodes(flist: string): Promise<Map<string, Inode>> {
    const { root } = await loadFlist(flist, { codec: this.addon });
    const inodes = new Map<string, Inode>([['', root]]);
    for (const [path, inode] of inodes) {
      for (const entry of inode.entries ?? []) {
        const name = Buffer.from(entry.name).toString('latin1');
        inodes.set(path === '' ? name : `${path}/${name}`, entry.inode);
      }
    }
    inodes.delete('');
    return inodes;
  }

  /** The texts of the files of an image by their paths. */
  async texts(flist: string): Promise<Record<string, string>> {
    const texts: Record<string, string> = {};
    for (const [path, { content }] of await this.inodes(flist)) {
      if (content === undefined) continue;
      const pieces: Uint8Array[] = [];
      const reading = { store: this.store, codec: this.addon };
      for await (const piece of readContent(content, reading)) pieces.push(piece);
      texts[path] = Buffer.concat(pieces).toString('latin1');
    }
    return texts;
  }

  async chunkIds(): Promise<string[]> {
    const ids: string[] = [];
    for await (const id of this.store.list()) ids.push(id);
    return ids.sort();
  }
}

/** Chunk ids of an inode's content. */
export function chunkIdsOf({ content }: Inode): string[] {
  return content?.chunks.map(({ id }) => toHex(id)) ?? [];
}
