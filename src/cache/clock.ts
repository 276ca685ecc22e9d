/**
 * The time by which contents are least recently used: only their order counts. It never goes back, whatever
 * the system's clock does: within a life it follows the monotonic clock, and a new life begins behind the last use
 * that the one before has noted.
 */

/**
 * @param newestMs the last use that is on record, 0 for none
 * @param startMs milliseconds since 1970, as the system's clock has them now
 * @returns milliseconds since 1970, or later where the clock was ahead once
 */
export function startClock(newestMs: number, startMs: number = Date.now()): () => number {
  const began = performance.now();
  const base = Math.max(startMs, newestMs);
  return () => base + (performance.now() - began);
}
