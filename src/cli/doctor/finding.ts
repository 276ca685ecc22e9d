/** What the doctor says of one thing. Pure. */

export type FindingState = 'ok' | 'warn' | 'fail';

export interface Finding {
  /** What was looked at: `kernel`, `fuse`, … */
  readonly topic: string;
  /** `fail`: something that a mount needs is missing. `warn`: slower, or something besides mounts does not work. */
  readonly state: FindingState;
  readonly text: string;
  /** What to do about it; absent when all is well. */
  readonly hint?: string;
}

/** One part of the doctor's work. What it throws becomes a warning. */
export type Check = () => Promise<readonly Finding[]> | readonly Finding[];

export function ok(topic: string, text: string): Finding {
  return { topic, state: 'ok', text };
}

export function warn(topic: string, text: string, hint: string): Finding {
  return { topic, state: 'warn', text, hint };
}

export function fail(topic: string, text: string, hint: string): Finding {
  return { topic, state: 'fail', text, hint };
}
