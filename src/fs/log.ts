/**
 * The daemon's log: one JSON line per event on stderr, which its starter has pointed at a file. Not for
 * commands (they print) and not for libraries (they return errors).
 */
import { fstatSync } from 'node:fs';
import type { Logger as Pino } from 'pino';

/** Fields of an event: flat values, and `err` for an error. */
export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Logger = Readonly<Record<LogLevel, (fields: LogFields, message: string) => void>> & {
  /** Lines for a file are kept in memory until this is called with `false`: its disk does not answer. */
  readonly hold?: (holds: boolean) => void;
};
/** A log whose threshold can be moved while it is written. */
export type LeveledLogger = Logger & { setLevel(level: LogLevel): void };

/** From the least important to the most. */
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
/** Events kept while the library is still being loaded, or lines held; a start has two or three. */
const EARLY_MAX = 100;
/** Lines kept while the disk of the log does not take them; what exceeds it is dropped. */
const UNWRITTEN_BYTES_MAX = 256 * 1024;

/**
 * Lines are written synchronously, so that the last words before a crash are in the file. The library is
 * loaded with the first event and not before: a mount does not wait for it.
 *
 * @param fd where they go
 */
export function createLogger(level: LogLevel, fd = 2): LeveledLogger {
  let threshold = level;
  let pino: Pino | undefined;
  let loading = false;
  let holds = false;
  const early: [LogLevel, LogFields, string][] = [];
  const load = async (): Promise<void> => {
    const { default: create } = await import('pino');
    const destination = create.destination({
      dest: fd,
      sync: true,
      maxLength: UNWRITTEN_BYTES_MAX,
    });
    // A disk that takes no more lines must not end the daemon: reads go on without them.
    destination.on('error', () => {});
    pino = create({ level: threshold, base: { pid: process.pid } }, destination);
    writeEarly();
  };
  const writeEarly = (): void => {
    if (pino === undefined || holds) return;
    for (const [severity, fields, message] of early.splice(0)) pino[severity](fields, message);
  };
  const write =
    (severity: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (pino !== undefined && !holds) pino[severity](fields, message);
      else if (LEVELS.indexOf(severity) >= LEVELS.indexOf(threshold)) {
        const heldAt = holds ? { heldAt: new Date().toISOString() } : {};
        if (early.length < EARLY_MAX) early.push([severity, { ...fields, ...heldAt }, message]);
        if (!loading) void load();
        loading = true;
      }
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    // Whoever reads along at a pipe or a terminal is told at once.
    hold: (wanted) => {
      holds = wanted && isFile(fd);
      writeEarly();
    },
    setLevel: (wanted) => {
      threshold = wanted;
      if (pino !== undefined) pino.level = wanted;
    },
  };
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
