/** How long loads waited for the daemons that ended. */
import type { Moment, Watched } from './loads.ts';
import type { Slow } from './report.ts';

/** Milliseconds. */
export interface Pauses {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** An operation belongs to a kill if it began so long before it was over, or lasts so long behind. */
const AFTER_MS = 200;

/**
 * Of each end: what the load waited that waited longest. Ends of daemons that did not work yet, and those before
 * them, are counted apart: their waits are those of two starts.
 */
export function pausesOf({ moments, reports }: Watched): { once: Pauses; again: Pauses } {
  const slow = [...reports.values()].flatMap((report) => report.slow);
  const longest = ({ ms }: Moment): number =>
    slow.reduce((max, one) => (isDuring(one, ms) ? Math.max(max, one[1]) : max), 0);
  const isAgain = (moment: Moment, index: number): boolean =>
    moment.early || moments[index + 1]?.early === true;
  return {
    once: summary(moments.filter((moment, index) => !isAgain(moment, index)).map(longest)),
    again: summary(moments.filter(isAgain).map(longest)),
  };
}

function summary(pauses: number[]): Pauses {
  pauses.sort((a, b) => a - b);
  const at = (share: number): number =>
    pauses[Math.min(pauses.length - 1, Math.floor(pauses.length * share))] ?? Number.NaN;
  return { count: pauses.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function isDuring([begin, ms]: Slow, moment: number): boolean {
  return begin <= moment + AFTER_MS && begin + ms >= moment;
}
