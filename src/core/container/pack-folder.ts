/**
 * Makes a flist of a folder of a container that runs, which stands still meanwhile.
 */
import { isAbsolute } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { createFlist } from '../../image/create.ts';
import { publicUrl } from '../../image/router.ts';
import { FolderSource } from '../../image/source/folder.ts';
import type { Container } from './container.ts';
import { withFolderInRoot } from './in-root.ts';
import { OWN_FOLDER } from './oci.ts';
import { whilePaused } from './while-paused.ts';

export interface PackFolderOptions {
  /** Folder, as the container sees it. */
  readonly source: string;
  /** Flist to write, on the host. */
  readonly output: string;
  /** URL of the store that takes the chunks. */
  readonly storage: string;
  readonly signal: AbortSignal;
}

/**
 * @throws ERR_USAGE for a source that is no folder or an output that is not absolute; what making a flist throws
 */
export async function packFolder(container: Container, options: PackFolderOptions): Promise<void> {
  const { source, output, storage, signal } = options;
  if (!isAbsolute(output)) throw new G8Error('ERR_USAGE', `Flist '${output}' is not absolute`);
  await whilePaused(container, storage, (store, binding) =>
    withFolderInRoot(container.root, source, async (path) => {
      await createFlist({
        source: new FolderSource({ path }),
        output,
        store,
        addon: binding,
        route: publicUrl(storage),
        // Ours, and in every container.
        exclude: source.replaceAll('/', '') === '' ? [OWN_FOLDER] : [],
        signal,
      });
    }),
  );
}
