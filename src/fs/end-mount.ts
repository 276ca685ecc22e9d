/** What is left to do when a mount has been taken away. */
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createAbortController } from '../base/abort.ts';
import type { Logger } from './log.ts';
import type { Mounted } from './mounted.ts';
import { removeWorkDir } from './overlay.ts';

/** Far longer than the kernel takes to let go of a mount that nobody holds. */
const END_WAIT_MS = 2_000;

/** Writes the profile of what was touched until now: a mount that is detached may live on for long. */
export async function recordTouches(
  { request, image, session }: Mounted,
  log: Logger,
): Promise<void> {
  const { mountPoint, record } = request;
  if (record === undefined || session.touches === undefined) return;
  const { writeRecording } = await import('./recording.ts');
  const { entries, cut } = await writeRecording(record, image, session.touches());
  log.info({ mountPoint, record, entries: entries.length, cut }, 'recorded');
}

/**
 * A mount that was not busy ends at once, unless a mount namespace of others holds a copy of it. Its users
 * go on with that; whoever unmounts here does not wait for them.
 */
export async function awaitEnd({ request, finished }: Mounted, log: Logger): Promise<void> {
  const given = createAbortController();
  const bound = delay(END_WAIT_MS, 'held', { signal: given.signal }).catch(() => 'over');
  const outcome = await Promise.race([Promise.resolve(finished).then(() => 'over'), bound]);
  given.abort();
  if (outcome === 'over') return;
  const { mountPoint } = request;
  log.info({ mountPoint }, 'another mount namespace holds a copy of the mount');
}

/** Closes what the mount used, once the kernel has let go of it. */
export async function closeUsed(mounted: Mounted): Promise<void> {
  const { upper, work } = mounted.request;
  await mounted.ended;
  await mounted.held?.drop();
  await mounted.prefetch?.close();
  await mounted.recorded?.catch(() => {});
  await mounted.store.close();
  if (mounted.lower !== undefined) await rm(mounted.lower, { recursive: true, force: true });
  // A folder that the user has named is the user's.
  if (upper !== undefined && work === undefined) await removeWorkDir(upper);
}
