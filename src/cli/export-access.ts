/** What `flist export` does: opens image and stores, writes a folder or an archive, counts. */

import type { Inode } from '../format/tree.ts';
import type { LayerCompression as Compression } from '../image/oci/compress.ts';
import type { Image } from '../image/open.ts';
import type { RestoreProgress, RestoreSkipped } from '../image/restore.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import type { StoreFlags } from './store-access.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';

export interface ExportRequest {
  readonly flist: string;
  /** Folder, file, or `-` for stdout. */
  readonly target: string;
  /** In the image. */
  readonly path: string;
  /** Of an archive; `undefined` for a folder. */
  readonly compression: Compression | undefined;
  readonly sparse: boolean;
}

export interface ExportSummary {
  readonly target: string;
  readonly entries: number;
  /** Of regular files, hard links once. */
  readonly bytes: number;
  /** Bytes of an archive's file. */
  readonly size?: number;
  readonly skipped: Partial<RestoreSkipped> & { readonly sockets?: number };
}

/** @throws as `openImage`, `restoreTree` and `archiveTree` */
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
  const { archiveTree } = await import('../image/archive.ts');
  const { compress } = await import('../image/oci/compress.ts');
  const { planRestore } = await import('../image/restore-plan.ts');
  const { addon } = await import('../native/load.ts');
  const { signal } = context;
  const { target, compression, sparse } = request;
  const codec = addon();
  const progress: RestoreProgress = {
    entries: 0,
    entriesTotal: 0,
    bytes: 0,
    bytesTotal: planRestore(root, new Uint8Array(0)).fileBytes,
  };
  let sockets = 0;
  const archive = archiveTree(root, {
    store,
    codec,
    signal,
    sparse,
    onEntry: () => progress.entries++,
    onBytes: (size) => {
      progress.bytes += size;
    },
    onSkipped: () => sockets++,
  });
  const pieces = compress(archive, compression, codec);
  const view = await showProgress(context, counterOf(progress));
  try {
    const size = await write(context, target, pieces);
    const { entries, bytes } = progress;
    return { target, entries, bytes, size, skipped: { sockets } };
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

function counterOf(progress: RestoreProgress): ProgressCounter {
  return {
    label: 'Exporting',
    unit: 'bytes',
    get done() {
      return progress.bytes;
    },
    get total() {
      return progress.bytesTotal;
    },
  };
}
