/**
 * The daemon's log: one JSON line per event on stderr, which its starter has pointed at a file. Not for
 * commands (they print) and not for libraries (they return errors).
 */
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Synchronous lines, so that the last words before a crash are in the file. */
export function createLogger(level: string): Logger {
  return pino({ level, base: { pid: process.pid } }, pino.destination({ dest: 2, sync: true }));
}
