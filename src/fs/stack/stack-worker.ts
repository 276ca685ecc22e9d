/**
 * Worker thread that puts one unpacked image on another and writes the result as a flist. Both may be hostile and large: the
 * thread has a limit of memory and a deadline. Reports `undefined`, or the error as plain values.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { toG8Error } from '../../base/errors.ts';
import { type Metadata, parseMetadata } from '../../format/flist/metadata.ts';
import { ContentsReader } from '../../format/index/contents-reader.ts';
import { MountIndexReader } from '../../format/index/reader.ts';
import { stackLayers } from '../../format/layer/stack-layers.ts';
import type { Inode } from '../../format/tree.ts';
import { combineRouters, type NamedRouter } from '../../image/combine-routers.ts';
import { type FileSource, openFileSource } from '../../image/file-source.ts';
import { INDEX_FILES, METADATA_FILE } from '../../image/index-files.ts';
import { packTree } from '../../image/pack.ts';
import { imageTree } from '../../image/tree.ts';
import type { WorkResult } from '../run-worker.ts';

/** An image with where it came from. */
export interface StackedImage extends NamedRouter {
  /** Folder of its mount index. */
  readonly dir: string;
}

/** What the worker is started with. */
export interface StackWork {
  readonly base: StackedImage;
  readonly layer: StackedImage;
  /** Flist to write; a file that is there is replaced. */
  readonly output: string;
}

function treeOf({ dir }: StackedImage): Inode {
  const files = INDEX_FILES.map((name) => openFileSource(join(dir, name)));
  try {
    const [erofs, contents, chunks] = files as [FileSource, FileSource, FileSource];
    return imageTree({
      index: new MountIndexReader(erofs),
      contents: new ContentsReader(contents, chunks),
    });
  } finally {
    for (const file of files) file.close();
  }
}

function metadataOf({ dir }: StackedImage): Metadata {
  try {
    return parseMetadata(readFileSync(join(dir, METADATA_FILE), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return parseMetadata('{}');
    throw error;
  }
}

async function stack({ base, layer, output }: StackWork): Promise<void> {
  await packTree(stackLayers([treeOf(base), treeOf(layer)], 'overlay'), output, {
    // That of the layer first: it may be known there alone.
    router: combineRouters([layer, base]),
    metadata: metadataOf(base),
  });
}

async function work(): Promise<WorkResult> {
  try {
    await stack(workerData as StackWork);
    return undefined;
  } catch (error) {
    const { code, message } = toG8Error(error, 'ERR_IO', 'The flists cannot be put together');
    return { code, message };
  }
}

// Not awaited by the module: its packed form is CommonJS.
void work().then((result) => parentPort?.postMessage(result));
