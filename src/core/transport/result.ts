/** The result document: what a job ends with, as it is published. Pure. */
import type { Command } from './command.ts';

/** `KILLED` and `DUPILICATE_ID`, which the protocol names too, are produced by nobody. */
export type ResultState = 'SUCCESS' | 'ERROR' | 'TIMEOUT' | 'UNKNOWN_CMD';

/** Level of the message that a built-in command's result is. */
export const LEVEL_JSON = 20;

/** How one run of a job has ended. */
export interface Outcome {
  readonly state: ResultState;
  /** 0, 1000 + exit status, 999 for a signal, or the code of a `CommandError`. */
  readonly code: number;
  /** Text of the last message of a result level. */
  readonly data: string;
  /** Level of that message; 0 when there was none. */
  readonly level: number;
  /** Ends of stdout and stderr; only external processes have them. */
  readonly streams?: readonly [stdout: string, stderr: string];
  /** Text of the last critical message. */
  readonly critical?: string;
}

export interface Result {
  readonly command: Command;
  /** 0: the host; else the id of a container. */
  readonly core: number;
  readonly outcome: Outcome;
  /** Milliseconds since 1970, of the last run. */
  readonly startedAt: number;
  readonly durationMs: number;
}

/** The value that a built-in command has returned; `undefined` is JSON's null. */
export function successOutcome(value: unknown): Outcome {
  const data = JSON.stringify(value ?? null);
  return { state: 'SUCCESS', code: 0, data, level: LEVEL_JSON };
}

/** The failure of a built-in command: its text as a JSON string. */
export function failureOutcome(failure: { code: number; message: string }): Outcome {
  const data = JSON.stringify(failure.message);
  return { state: 'ERROR', code: failure.code, data, level: LEVEL_JSON };
}

/** JSON text with the fields in the protocol's order; absent ones are left out. */
export function formatResult(result: Result): string {
  const { command, core, outcome, startedAt, durationMs } = result;
  return JSON.stringify({
    id: command.id,
    command: command.command,
    data: outcome.data,
    level: outcome.level,
    state: outcome.state,
    code: outcome.code,
    starttime: startedAt,
    time: durationMs,
    tags: command.tags,
    container: core,
    ...(outcome.streams === undefined ? {} : { streams: outcome.streams }),
    ...(outcome.critical === undefined ? {} : { critical: outcome.critical }),
  });
}
