/** `g8ufs core exec`: runs a command in a container, with the caller's terminal. */
import { Command } from 'commander';
import { takesCommand } from '../../command-words.ts';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends StateFlags {
  readonly tty?: boolean;
  readonly env: readonly string[];
  readonly workdir?: string;
}

export function command(context: Context): Command {
  const exec = new Command('exec')
    .description('run a command in a container that runs')
    .argument('<container>', 'its number or name')
    .argument('<program...>', 'program and arguments')
    .option('-t, --tty', 'with a terminal (default: when stdin and stdout are one)')
    .option('--no-tty', 'without a terminal')
    .option('-e, --env <name=value>', 'set a variable (repeatable)', collect, [])
    .option('-w, --workdir <dir>', 'where it starts (default: the root)')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((query: string, words: string[], flags: Flags) => run(context, query, words, flags));
  return addHelpSections(takesCommand(exec), {
    notes: [
      'The exit status is that of the command, 128 and the number of the signal that ended it.',
    ],
    examples: [
      ['core exec web sh', 'a shell inside'],
      ['core exec web ps -ef', 'one command'],
    ],
    settings: ['coreState', 'coreRuntime'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION', 'ERR_IO', 'ERR_CONFIG'],
  });
}

async function run(
  context: Context,
  query: string,
  argv: readonly string[],
  flags: Flags,
): Promise<void> {
  const { runtimeName } = await import('../../../core/container/container-folder.ts');
  const { findRunning, stateConfig } = await import('../../core-access.ts');
  const { join } = await import('node:path');
  const { Runtime } = await import('../../../core/container/runtime.ts');
  const { isTerminalWanted, runAttached } = await import('../../attached-process.ts');
  const { parseVariables } = await import('../../variables.ts');
  const env = parseVariables(flags.env);
  const config = await stateConfig(context, flags);
  const { record } = await findRunning(config, query);
  const runtime = new Runtime(config.get('coreRuntime'), join(config.get('coreState'), 'runtime'));
  const words = runtime.exec(runtimeName(record.id), {
    argv,
    env,
    cwd: flags.workdir,
    terminal: isTerminalWanted(flags.tty),
  });
  context.setExitCode(await runAttached(words));
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
