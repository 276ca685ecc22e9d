/**
 * Makes a flist of what a container has changed: of its upper layer alone, or of that over its image. Contents of the image
 * are not read again, only its names.
 */
import { isAbsolute } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import { stackLayers } from '../../format/layer/stack-layers.ts';
import { combineRouters } from '../../image/combine-routers.ts';
import { loadSource } from '../../image/create.ts';
import { createProgress } from '../../image/create-progress.ts';
import { loadFlist } from '../../image/load.ts';
import { checkOutput } from '../../image/output.ts';
import { packTree } from '../../image/pack.ts';
import { formatRouter, publicUrl } from '../../image/router.ts';
import { FolderSource } from '../../image/source/folder.ts';
import { addon } from '../../native/load.ts';
import type { Container } from './container.ts';
import { OWN_FOLDER } from './oci.ts';
import { whilePaused } from './while-paused.ts';

export interface CommitOptions {
  /** Flist to write. Absolute. */
  readonly output: string;
  /** URL of the store that takes the chunks of what was changed. */
  readonly storage: string;
  /** Flist of the image, by path or URL; absent: the layer alone, with the marks of overlayfs for what was removed. */
  readonly base?: string;
  readonly signal: AbortSignal;
}

/** What was written. */
export interface CommitSummary {
  readonly rootDigest: string;
  readonly flistSize: number;
  /** Bytes of chunks that the store did not have. */
  readonly uploadedBytes: number;
}

/**
 * The container stands still while its layer is read.
 *
 * @throws ERR_USAGE for an output that is not absolute; ERR_FLIST_FORMAT when the layer does not fit the image; what reading and
 *   making flists throw
 */
export async function commitContainer(
  container: Container,
  options: CommitOptions,
): Promise<CommitSummary> {
  const { output, storage, base, signal } = options;
  if (!isAbsolute(output)) throw new G8Error('ERR_USAGE', `Flist '${output}' is not absolute`);
  await checkOutput(output);
  const image = base === undefined ? undefined : await loadFlist(base, { codec: addon(), signal });
  const { root: layer, stored } = await readLayer(container, options);
  const url = publicUrl(storage);
  const router = url === undefined ? undefined : formatRouter(url);
  const packed = await packTree(
    image === undefined ? layer : stackLayers([image.root, layer], 'overlay'),
    output,
    {
      router: image === undefined ? router : combineRouters([{ source: storage, router }, image]),
      metadata: image?.metadata,
      signal,
    },
  );
  return {
    rootDigest: toHex(packed.rootDigest),
    flistSize: packed.flistSize,
    uploadedBytes: stored.uploadedBytes,
  };
}

async function readLayer(
  container: Container,
  { storage, signal }: CommitOptions,
): ReturnType<typeof loadSource> {
  return await whilePaused(container, storage, (store, binding) => {
    // The folder of our own programs is in every container.
    const exclude = [OWN_FOLDER];
    const source = new FolderSource({ path: container.folder.upper });
    return loadSource(source, { store, addon: binding, exclude, signal }, createProgress());
  });
}
