/** What `flist export` does: opens image and stores, writes a folder or an archive, counts. */

import type { Inode } from '../format/tree.ts';
import type { LayerCompression as Compression } from '../image/oci/compress.ts';
import type { Image } from '../image/open.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import {
  counterOf,
  type ExportRequest,
  type ExportSummary,
  openArchive,
} from './export-archive.ts';
import type { StoreFlags } from './store-access.ts';
import { showProgress } from './ui/progress.ts';

/** Whether a target is an image, and not a folder or an archive of a tree. */
export function isImageTarget(target: string): boolean {
  return /^(oci|oci-archive|docker-archive):/.test(target);
}

/** @throws as `openImage`, `restoreTree`, `archiveTree` and `writeImage` */
export async function exportImage(
  context: Context,
  request: ExportRequest,
  flags: StoreFlags,
): Promise<ExportSummary> {
  const { withImage, findEntry } = await import('./image-access.ts');
  const { imageTree } = await import('../image/tree.ts');
  const { withStores } = await import('./store-access.ts');
  let summary: ExportSummary | undefined;
  await withImage(context, request.flist, async (image: Image) => {
    const { inode } = findEntry(image, request.path, { followLast: true });
    const root = imageTree(image, inode.nid);
    if (isImageTarget(request.target)) {
      const { exportAsImage } = await import('./export-image.ts');
      summary = await withStores(context, [image], flags, (store) =>
        exportAsImage(context, { root, metadata: image.metadata }, request, store),
      );
      return;
    }
    if (request.compression === undefined) {
      const { checkRestoreTarget } = await import('../image/restore.ts');
      await checkRestoreTarget(request.target, root);
    } else if (request.target !== '-') {
      const { checkOutput } = await import('../image/output.ts');
      await checkOutput(request.target);
    }
    summary = await withStores(context, [image], flags, (store) =>
      request.compression === undefined
        ? exportFolder(context, root, request.target, store)
        : exportArchive(context, root, { ...request, compression: request.compression }, store),
    );
  });
  return summary as ExportSummary;
}

async function exportFolder(
  context: Context,
  root: Inode,
  target: string,
  store: ChunkStore,
): Promise<ExportSummary> {
  const { restoreTree, restoreProgress } = await import('../image/restore.ts');
  const { addon } = await import('../native/load.ts');
  const progress = restoreProgress();
  const view = await showProgress(context, counterOf(progress));
  try {
    const { signal } = context;
    const summary = await restoreTree(root, target, { store, addon: addon(), progress, signal });
    const { entries, bytes, skipped } = summary;
    return { target, entries, bytes, skipped };
  } finally {
    view.stop();
  }
}

async function exportArchive(
  context: Context,
  root: Inode,
  request: ExportRequest & { readonly compression: Compression },
  store: ChunkStore,
): Promise<ExportSummary> {
  const { compress } = await import('../image/oci/compress.ts');
  const { addon } = await import('../native/load.ts');
  const { target, compression } = request;
  const { archive, progress, skipped } = await openArchive(context, root, request, store);
  const view = await showProgress(context, counterOf(progress));
  try {
    const size = await write(context, target, compress(archive, compression, addon()));
    const { entries, bytes } = progress;
    return { target, entries, bytes, size, skipped };
  } finally {
    view.stop();
  }
}

async function write(
  context: Context,
  target: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<number> {
  const { signal } = context;
  if (target !== '-') {
    const { writeWholeFile } = await import('../image/output.ts');
    return await writeWholeFile(target, pieces, signal);
  }
  const { writeAll } = await import('./ui/output.ts');
  let size = 0;
  for await (const piece of pieces) {
    await writeAll(context.stdout, piece, signal);
    size += piece.length;
  }
  return size;
}
