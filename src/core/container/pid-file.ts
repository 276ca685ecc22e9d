/** The number of a process that the runtime starts, which it writes into a file as soon as there is one. */
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { withDeadline } from '../../base/deadline.ts';

/** Entering a container takes some ten milliseconds, making one some more; a machine under load takes longer. */
const START_TIMEOUT_MS = 60_000;

/**
 * Waits until the file is written. To be called before the runtime can have written it.
 *
 * @param over settles when the runtime has ended, and will write no more
 * @returns `undefined` when it has ended without
 * @throws ERR_TIMEOUT
 */
export async function waitForPid(
  path: string,
  over: Promise<unknown>,
): Promise<number | undefined> {
  let watcher: FSWatcher | undefined;
  const written = new Promise<void>((settle) => {
    watcher = watch(dirname(path), (_, name) => {
      if (name === basename(path)) settle();
    });
  });
  try {
    const options = { what: 'Starting in a container', timeoutMs: START_TIMEOUT_MS };
    await withDeadline(options, async () => await Promise.race([written, over]));
  } finally {
    watcher?.close();
  }
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}
