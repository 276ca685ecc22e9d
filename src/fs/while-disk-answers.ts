/** An end that does not wait for a disk that does not answer. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ContentCache } from '../cache/cache.ts';

/** Between two looks. */
const INTERVAL_MS = 500;
/** An end that takes longer makes the disk be asked for a sign of life. */
const PATIENCE_MS = 2_000;
/** What needs no disk (unmounting, the last words to others) has time for that. */
const GRACE_MS = 5_000;

/**
 * @param work ends by itself if the disk answers
 * @returns false when it has not ended because the disk hangs
 * @throws whatever the work throws
 */
export async function whileDiskAnswers(
  cache: Pick<ContentCache, 'noteSilence' | 'trouble'>,
  work: Promise<void>,
  graceMs = GRACE_MS,
): Promise<boolean> {
  const ended = work.then(() => true);
  let silentMs = 0;
  for (let passedMs = INTERVAL_MS; ; passedMs += INTERVAL_MS) {
    const wait = new AbortController();
    const turn = delay(INTERVAL_MS, false, { signal: wait.signal });
    turn.catch(() => {});
    try {
      if (await Promise.race([ended, turn])) return true;
    } finally {
      wait.abort();
    }
    if (cache.trouble?.reason === 'hanging') silentMs += INTERVAL_MS;
    else if (passedMs >= PATIENCE_MS) cache.noteSilence('doubt');
    if (silentMs >= graceMs) return false;
  }
}
