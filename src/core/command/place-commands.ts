/** The commands that every place has, the host as each container. */
import { BASH } from './bash.ts';
import { type CoreServices, coreCommands } from './core.ts';
import { FILESYSTEM } from './filesystem.ts';
import { infoCommands } from './info.ts';
import { IP } from './ip.ts';
import { JOB } from './job.ts';
import { PROCESS } from './process.ts';
import { CommandRegistry } from './registry.ts';

export function placeCommands(services: CoreServices): CommandRegistry {
  return new CommandRegistry()
    .add(coreCommands(services))
    .add(BASH)
    .add(JOB)
    .add(PROCESS)
    .add(FILESYSTEM)
    .add(infoCommands(services.version))
    .add(IP);
}
