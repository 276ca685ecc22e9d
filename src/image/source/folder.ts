/** Images of folders: walked first, then read file by file, at any place and several at a time. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { chunkFiles } from '../chunk.ts';
import type { Image } from '../open.ts';
import { reuseContents } from '../parent.ts';
import { walkTree } from '../walk.ts';
import type { ImageSource, SourceRun, SourceTree } from './source.ts';

export interface FolderSourceOptions {
  /** Folder that becomes the root of the image. */
  readonly path: string;
  /** Folders and files that are never part of the image, such as a store below the source. */
  readonly excludedPaths?: readonly string[] | undefined;
  /** Mount points below are taken as empty folders. */
  readonly oneFileSystem?: boolean | undefined;
  /** An image of an earlier state: what has not changed since is taken from there. The source closes it. */
  readonly parent?: Image | undefined;
}

export class FolderSource implements ImageSource {
  readonly name: string;
  readonly #options: FolderSourceOptions;

  constructor(options: FolderSourceOptions) {
    this.name = options.path;
    this.#options = options;
  }

  async load(run: SourceRun): Promise<SourceTree> {
    const { path, excludedPaths = [], oneFileSystem, parent } = this.#options;
    const { addon, progress, writer, uploader, signal } = run;
    const source = await resolveSource(path);
    const { root, files, entryCount, bytes } = await walkTree(source, {
      scan: addon,
      exclude: run.exclude,
      excludedPaths: await pathsBelow(source, excludedPaths),
      oneFileSystem,
      signal,
      onEntries: (count) => {
        progress.entries = count;
      },
    });
    progress.phase = 'storing';
    progress.bytesTotal = bytes;
    const changed =
      parent === undefined
        ? files
        : await reuseContents(parent, files, { uploader, blockSize: writer.blockSize, signal });
    for (const { inode } of changed === files ? [] : files) {
      if (inode.content !== undefined) progress.bytes += inode.size;
    }
    await chunkFiles(source, changed, { scan: addon, pack: addon, writer, signal });
    return { root, entryCount, reusedFiles: files.length - changed.length };
  }

  async close(): Promise<void> {
    await this.#options.parent?.close();
  }
}

async function resolveSource(source: string): Promise<string> {
  try {
    return await realpath(source);
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `${source} cannot be opened`);
  }
}

/** Those of the paths that lie below the source, relative to it. The last name need not exist yet. */
async function pathsBelow(source: string, paths: readonly string[]): Promise<string[]> {
  const below: string[] = [];
  for (const path of paths) {
    const folder = await realpath(dirname(path)).catch(() => undefined);
    const real =
      (await realpath(path).catch(() => undefined)) ?? join(folder ?? '', basename(path));
    if (folder === undefined) continue;
    if (real === source) throw new G8Error('ERR_USAGE', `${path} is the source itself`);
    const inside = relative(source, real);
    if (inside !== '..' && !inside.startsWith(`..${sep}`)) below.push(inside);
  }
  return below;
}
