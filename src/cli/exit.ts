/**
 * How the program ends: the only place that maps errors to exit codes, prints the one line that says
 * why, and may end the process at once.
 */
import { inspect } from 'node:util';
import { CODES, type ErrorCode, type ErrorDetails, isG8Error, toG8Error } from '../base/errors.ts';

/** Signals that end a command in good order, and the exit code each asks for (128 + number). */
export const SIGNAL_EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type EndSignal = keyof typeof SIGNAL_EXIT_CODES;

/** The final error as scripts see it with `--json`. */
export interface ErrorReport {
  readonly type: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: number;
  readonly details: ErrorDetails;
}

/** Describes whatever a command has thrown; a value without a code is a bug and says so. */
export function reportOf(error: unknown): ErrorReport {
  const known = withCode(error);
  if (known !== undefined) {
    const { code, message, exitCode, details } = known;
    return { type: 'error', code, message, exitCode, details };
  }
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    type: 'error',
    code: 'ERR_INTERNAL',
    message: `Internal error: ${reason}`,
    exitCode: CODES.ERR_INTERNAL.exitCode,
    details: {},
  };
}

/** The text for stderr, with its final newline: one line, and the chain of causes with `debug`. */
export function formatFailure(
  error: unknown,
  mode: { json: boolean; debug: boolean; exitCode?: number | undefined },
): string {
  const report = reportOf(error);
  const line = mode.json
    ? JSON.stringify({ ...report, exitCode: mode.exitCode ?? report.exitCode })
    : `g8ufs: ${oneLine(report.message)} (${report.code})`;
  return mode.debug ? `${line}\n${inspect(error)}\n` : `${line}\n`;
}

/** Ends the process without waiting for anything: the answer to a second signal. */
export function exitNow(signal: EndSignal): never {
  process.exit(SIGNAL_EXIT_CODES[signal]);
}

/** A library's threads may hold the event loop; what is still to be written takes less than this. */
const DRAIN_MS = 500;

/**
 * Makes sure that a process whose work is done ends, even if a library keeps its event loop alive. One that
 * ends by itself is not delayed.
 */
export function endWithoutHelp(): void {
  setTimeout(() => process.exit(), DRAIN_MS).unref();
}

function withCode(error: unknown): ReturnType<typeof toG8Error> | undefined {
  if (isG8Error(error)) return error;
  if (!(error instanceof Error)) return undefined;
  const { syscall, path } = error as NodeJS.ErrnoException;
  if (syscall !== undefined) {
    return toG8Error(error, 'ERR_IO', path ?? syscall);
  }
  return error.name === 'AbortError' ? toG8Error(error, 'ERR_ABORTED', 'Stopped') : undefined;
}

// Names from images and servers may hold anything; a terminal must not obey them.
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}
