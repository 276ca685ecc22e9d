/** `g8ufs core rm`: ends containers at once, and clears away what dead ones have left. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends StateFlags {
  readonly all?: boolean;
}

export function command(context: Context): Command {
  const rm = new Command('rm')
    .description('kill containers, and clear away what dead ones have left')
    .argument('[container...]', 'numbers or names')
    .option('-a, --all', 'all containers of the state folder')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((queries: string[], flags: Flags) => run(context, queries, flags));
  return addHelpSections(rm, {
    examples: [
      ['core rm web', 'without asking it'],
      ['core rm --all', 'everything, also after a crash'],
    ],
    settings: ['coreState', 'coreRuntime'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION', 'ERR_IO', 'ERR_TIMEOUT'],
  });
}

async function run(context: Context, queries: readonly string[], flags: Flags): Promise<void> {
  const { findContainer, listContainers, stateConfig } = await import('../../core-access.ts');
  const { endContainers } = await import('../../end-containers.ts');
  if ((queries.length === 0) !== (flags.all === true)) {
    throw new G8Error('ERR_USAGE', 'Say which containers, or --all');
  }
  const config = await stateConfig(context, flags);
  const chosen =
    flags.all === true
      ? await listContainers(config)
      : await Promise.all(queries.map((query) => findContainer(config, query)));
  await endContainers(context, config, chosen, 0);
}
