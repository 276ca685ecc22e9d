/**
 * Gives memory back that was freed. The allocator keeps it for the next request: buffers of a busy minute, between
 * which something small lives, were two thirds of what a mount daemon had hours later.
 */
import { addon } from './load.ts';

const INTERVAL_MS = 30_000;
/** Growth of the resident memory since the last time that is worth the page faults to come. */
const GROWTH_BYTES_MIN = 8 * 1024 * 1024;

/**
 * Looks from time to time until it is stopped; does not keep the process alive. For programs that live long.
 *
 * @returns stops it
 */
export function trimMemory(intervalMs = INTERVAL_MS): () => void {
  let base = process.memoryUsage.rss();
  const look = async (): Promise<void> => {
    if (process.memoryUsage.rss() < base + GROWTH_BYTES_MIN) return;
    await addon().trimMemory();
    base = process.memoryUsage.rss();
  };
  const timer = setInterval(() => {
    // What it frees is all that it is for.
    look().catch(() => {});
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
