/**
 * Keeps the log of a container small while its processes go on writing into it: what is there is copied beside it, and
 * the file begins anew. What is written between the two is lost.
 */
import { watch } from 'node:fs';
import { copyFile, stat, truncate } from 'node:fs/promises';

/** Of the file; one older file of about this size is kept. */
export const LOG_SIZE_MAX = 8 * 1024 * 1024;

/**
 * @param path a file that is written by appending
 * @param onError told when the limit cannot be kept any more
 * @returns ends it
 */
export function limitLog(
  path: string,
  sizeMax: number,
  onError: (error: unknown) => void,
): () => void {
  let isLooking = false;
  const look = async (): Promise<void> => {
    const { size } = await stat(path);
    if (size <= sizeMax) return;
    await copyFile(path, `${path}.1`);
    await truncate(path);
  };
  try {
    const watcher = watch(path, (event) => {
      // Renamed or removed: the container is being taken away.
      if (event === 'rename') watcher.close();
      if (event === 'rename' || isLooking) return;
      isLooking = true;
      look()
        .catch(onError)
        .finally(() => {
          isLooking = false;
        });
    });
    watcher.on('error', onError);
    return () => watcher.close();
  } catch (error) {
    onError(error);
    return () => {};
  }
}
