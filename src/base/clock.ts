/** Time as it passes, for what has to start quickly. */

/** Milliseconds on a clock that nobody sets. As `performance.now()`, for which Node loads some ten modules first. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
