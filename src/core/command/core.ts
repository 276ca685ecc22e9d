/** `core.*`: is anybody there, run a program, follow a job. */
import { raceAbort } from '../../base/abort.ts';
import { sumUsage, type Usage } from '../job/usage.ts';
import { text, textMap, texts } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler, ProcessCommand } from './registry.ts';

export interface CoreServices {
  /** Version of the program. */
  readonly version: string;
  /** What the daemon itself uses. */
  readonly ownUsage: () => Promise<Usage>;
}

export function coreCommands(
  services: CoreServices,
): Record<string, CommandHandler | ProcessCommand> {
  return {
    // Clients look at the first four characters.
    'core.ping': async () => `PONG Version: ${services.version} @Revision: g8ufs`,

    'core.state': async (_args, { jobs }) =>
      sumUsage([await jobs.usage(), await services.ownUsage()]),

    'core.system': {
      isPidShown: true,
      plan: (args) => ({
        argv: [text(args, 'name'), ...texts(args, 'args')],
        cwd: text(args, 'dir', ''),
        env: textMap(args, 'env'),
        stdin: text(args, 'stdin', ''),
      }),
    },

    'core.subscribe': async (args, { jobs, job }) => {
      const id = text(args, 'id');
      const target = jobs.find(id);
      if (target === undefined) throw new CommandError(500, `no job with id '${id}'`);
      if (id === job.command.id) throw new CommandError(400, 'a job cannot follow itself');
      const leave = target.follow(({ level, text: line, endFlags }) =>
        job.emit(level, line, endFlags),
      );
      try {
        await raceAbort(target.ended, job.signal);
      } finally {
        leave();
      }
    },
  };
}
