/** What `flist export` does when the target is an OCI or docker image. */
import { G8Error } from '../base/errors.ts';
import type { Metadata } from '../format/flist/metadata.ts';
import type { Inode } from '../format/tree.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import {
  counterOf,
  type ExportRequest,
  type ExportSummary,
  openArchive,
} from './export-archive.ts';
import { showProgress } from './ui/progress.ts';

/** @throws as `archiveTree` and `writeImage` */
export async function exportAsImage(
  context: Context,
  image: { readonly root: Inode; readonly metadata: Metadata },
  request: ExportRequest,
  store: ChunkStore,
): Promise<ExportSummary> {
  const { parseImageTarget, writeImage } = await import('../image/oci/target.ts');
  const { addon } = await import('../native/load.ts');
  const { target, compression, platform, insecureRegistry } = request;
  const parsed = await parseImageTarget(target);
  if (parsed === undefined) throw new TypeError(`${target} is no image`);
  if (image.root.entries === undefined) {
    throw new G8Error('ERR_USAGE', `${request.path} is no folder: an image begins with one`);
  }
  const { archive, progress, skipped } = await openArchive(context, image.root, request, store);
  const view = await showProgress(context, counterOf(progress));
  try {
    const made = await writeImage(parsed, archive, {
      metadata: image.metadata,
      compression,
      platform,
      insecureRegistry,
      codec: addon(),
      env: context.env,
      tmpDir: context.env['TMPDIR'] || undefined,
      signal: context.signal,
    });
    const { entries, bytes } = progress;
    const { layerSize: size, digest } = made;
    return { target, entries, bytes, size, digest, skipped };
  } finally {
    view.stop();
  }
}
