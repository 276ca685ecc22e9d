/**
 * How much may be fetched that nobody has asked for: the one place that says so.
 *
 * What a guess saves is a round trip, what it costs are bytes and work. So the share follows the time that an answer
 * of the store takes: nothing where that is short, half of what readers have fetched where it is long.
 */

/** A store that answers within this is on this machine or its network: a wrong guess costs more than a right one saves. */
const NEAR_MS = 5;
/** From here on a round trip is worth the full share. */
const FAR_MS = 12;
/** Of the bytes that readers have fetched: 40 % more bytes for half of the requests (docs/performance.md). */
const SHARE_MAX = 0.5;

/**
 * @param answerMs shortest time to a first chunk lately; `undefined` while nothing came yet
 * @returns bytes for each byte that readers have fetched; 0: nothing is foretold
 */
export function foretoldShare(answerMs: number | undefined): number {
  if (answerMs === undefined || answerMs <= NEAR_MS) return 0;
  return SHARE_MAX * Math.min(1, (answerMs - NEAR_MS) / (FAR_MS - NEAR_MS));
}
