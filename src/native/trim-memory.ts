/**
 * Gives memory back that was freed. The allocator keeps it for the next request: buffers of a busy minute, between
 * which something small lives, were two thirds of what a mount daemon had hours later.
 */
import { addon } from './load.ts';

const INTERVAL_MS = 30_000;
/** Who has done less than this since the last time has not freed much. */
const WORK_MICROSECONDS_MIN = 200_000;

/**
 * Looks from time to time until it is stopped; does not keep the process alive. For programs that live long.
 *
 * @returns stops it
 */
export function trimMemory(intervalMs = INTERVAL_MS): () => void {
  let last = process.cpuUsage();
  const look = async (): Promise<void> => {
    const { user, system } = process.cpuUsage(last);
    if (user + system < WORK_MICROSECONDS_MIN) return;
    last = process.cpuUsage();
    await addon().trimMemory();
  };
  const timer = setInterval(() => {
    // What it frees is all that it is for.
    look().catch(() => {});
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
