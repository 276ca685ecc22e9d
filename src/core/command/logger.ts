/** `logger.*`: copies of all jobs' messages, and what the daemon itself logs. */
import type { LogLevel } from '../../fs/log.ts';
import type { Records } from '../transport/records.ts';
import { integers, text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';

interface LoggerServices {
  readonly records: Records;
  readonly setLogLevel: (level: LogLevel) => void;
}

/** Levels as clients name them, and what the daemon's log calls them. */
const LOG_LEVELS: Readonly<Record<string, LogLevel>> = {
  CRITICAL: 'error',
  ERROR: 'error',
  WARNING: 'warn',
  NOTICE: 'info',
  INFO: 'info',
  DEBUG: 'debug',
};

export function loggerCommands(services: LoggerServices): Record<string, CommandHandler> {
  const { records, setLogLevel } = services;
  return {
    'logger.subscribe': async (args) =>
      records.subscribe(text(args, 'queue', ''), integers(args, 'levels')),

    'logger.unsubscribe': async (args) => {
      records.unsubscribe(text(args, 'queue'));
    },

    'logger.set_level': async (args) => {
      const name = text(args, 'level').toUpperCase();
      const level = Object.hasOwn(LOG_LEVELS, name) ? LOG_LEVELS[name] : undefined;
      if (level === undefined) throw new CommandError(400, `log level '${name}' is unknown`);
      setLogLevel(level);
    },

    // The log goes to stderr, which whoever has started the daemon rotates.
    'logger.reopen': async () => {},
  };
}
