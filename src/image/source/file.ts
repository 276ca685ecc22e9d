/** One file of this machine, as a tree of one name: for putting it into an image. */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { keptXattrs } from '../../format/layer/kept-xattrs.ts';
import type { MutableInode } from '../../format/layer/node.ts';
import { S_IFDIR } from '../../format/tree.ts';
import { chunkFiles } from '../chunk.ts';
import type { ImageSource, SourceRun, SourceTree } from './source.ts';

export class FileSource implements ImageSource {
  readonly name: string;

  /** @param path of a regular file, or of a link to one */
  constructor(path: string) {
    this.name = path;
  }

  async load({ addon, writer, progress, signal }: SourceRun): Promise<SourceTree> {
    const path = await this.#resolve();
    const folder = dirname(path);
    const name = new Uint8Array(Buffer.from(basename(path)));
    const scanned = await addon.scanEntry(folder, name);
    const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, size } = scanned;
    const xattrs = keptXattrs(scanned.xattrs);
    const stamps = { uid, gid, mtimeSeconds, mtimeNanoseconds };
    const inode: MutableInode = { mode, ...stamps, size, ...(xattrs && { xattrs }) };
    progress.phase = 'storing';
    progress.bytesTotal = size;
    if (size > 0) {
      await chunkFiles(folder, [{ path: name, scanned, inode }], { scan: addon, writer, signal });
    }
    const entries = [{ name, inode }];
    return { root: { mode: S_IFDIR | 0o755, ...stamps, size: 0, entries }, entryCount: 2 };
  }

  async close(): Promise<void> {}

  async #resolve(): Promise<string> {
    try {
      const path = await realpath(this.name);
      if ((await stat(path)).isFile()) return path;
    } catch (error) {
      throw toG8Error(error, 'ERR_NO_INPUT', `${this.name} cannot be opened`);
    }
    throw new G8Error('ERR_NO_INPUT', `${this.name} is no regular file`);
  }
}
