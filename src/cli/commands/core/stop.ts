/** `g8ufs core stop`: ends containers in good order. */
import { Command, InvalidArgumentError } from 'commander';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends StateFlags {
  readonly time: number;
}

const GRACE_S = 5;

export function command(context: Context): Command {
  const stop = new Command('stop')
    .description('end containers; what they have written goes with them')
    .argument('<container...>', 'numbers or names')
    .option('--time <seconds>', 'what they get to end by themselves', seconds, GRACE_S)
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((queries: string[], flags: Flags) => run(context, queries, flags));
  return addHelpSections(stop, {
    notes: [
      'Also those that a core daemon or another command has made: whoever made one cleans up, and when that process has died, this one does.',
    ],
    examples: [
      ['core stop web', 'SIGTERM, and after five seconds SIGKILL'],
      ['core stop --time 60 db', 'for one that takes longer'],
    ],
    settings: ['coreState', 'coreRuntime'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION', 'ERR_IO', 'ERR_TIMEOUT'],
  });
}

async function run(context: Context, queries: readonly string[], flags: Flags): Promise<void> {
  const { findContainer, stateConfig } = await import('../../core-access.ts');
  const { endContainers } = await import('../../end-containers.ts');
  const config = await stateConfig(context, flags);
  const chosen = await Promise.all(queries.map((query) => findContainer(config, query)));
  await endContainers(context, config, chosen, flags.time * 1000);
}

function seconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Not a number of seconds.');
}
