/** Tells images from root folders and their archives, for paths that users give without saying what they are. */
import { isG8Error } from '../../base/errors.ts';
import { parseArchiveManifest } from '../../format/oci/docker-archive.ts';
import { DOCUMENT_SIZE_MAX } from '../../format/oci/json.ts';
import { checkLayoutFile } from '../../format/oci/manifest.ts';
import { FolderFiles, type ImageFiles, readSmallFile } from './image-files.ts';
import { TarFiles } from './tar-files.ts';

/** An image of 500 layers has three members for each; archives of root folders have far more. */
const MEMBER_COUNT_MAX = 2000;

/**
 * @param path folder, or file with a plain tar; compressed ones are never looked into
 * @returns `undefined` when it is no image
 * @throws ERR_IO, ERR_PERMISSION, ERR_ABORTED
 */
export async function detectImage(
  path: string,
  isFolder: boolean,
  signal?: AbortSignal,
): Promise<'oci' | 'docker-archive' | undefined> {
  try {
    const files = isFolder
      ? new FolderFiles(path)
      : await TarFiles.open(path, path, { signal, memberCountMax: MEMBER_COUNT_MAX });
    try {
      return await kindOf(files);
    } finally {
      await files.close();
    }
  } catch (error) {
    // Something else, and whoever reads that says what is wrong with it.
    if (isG8Error(error, 'ERR_FLIST_FORMAT')) return undefined;
    throw error;
  }
}

async function kindOf(files: ImageFiles): Promise<'oci' | 'docker-archive' | undefined> {
  const has = async (path: string): Promise<boolean> => (await files.sizeOf(path)) !== undefined;
  if (await has('manifest.json')) {
    const bytes = await readSmallFile(files, 'manifest.json', DOCUMENT_SIZE_MAX);
    const images = parseArchiveManifest(bytes, 'manifest.json');
    const isComplete = images.length > 0 && (await has(images[0]?.config ?? ''));
    if (isComplete) return 'docker-archive';
  }
  if (!(await has('oci-layout')) || !(await has('index.json'))) return undefined;
  checkLayoutFile(await readSmallFile(files, 'oci-layout', DOCUMENT_SIZE_MAX), files.name);
  return 'oci';
}
