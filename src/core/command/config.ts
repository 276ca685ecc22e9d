/** `config.get`: how the daemon was configured. */
import type { CoreSettings } from '../settings.ts';
import type { CommandHandler } from './registry.ts';

/** Keys as the protocol's clients know them, where it has one. */
export function configCommands(settings: CoreSettings): Record<string, CommandHandler> {
  const { maxJobs, loggerSize, extensions } = settings;
  return {
    'config.get': async () => ({
      main: { max_jobs: maxJobs },
      logging: { ledis: { size: loggerSize } },
      extension: Object.fromEntries(extensions),
    }),
  };
}
