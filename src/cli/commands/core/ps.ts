/** `g8ufs core ps`: the containers of this machine. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import type { KnownContainer, StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const ps = new Command('ps')
    .description('list the containers of this machine')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((flags: StateFlags) => run(context, flags));
  return addHelpSections(ps, {
    notes: ['Reads the state folder; no daemon has to run.'],
    examples: [
      ['core ps', 'one line for each container'],
      ['core ps --json', 'with all they were made with, for a script'],
    ],
    settings: ['coreState'],
    failures: ['ERR_PERMISSION', 'ERR_IO'],
  });
}

async function run(context: Context, flags: StateFlags): Promise<void> {
  const { listContainers, stateConfig } = await import('../../core-access.ts');
  const all = await listContainers(await stateConfig(context, flags));
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(
      context,
      all.map(({ record, state }) => ({ ...record, state })),
    );
    return;
  }
  const { printTable } = await import('../../ui/table.ts');
  const titles = ['ID', 'NAME', 'STATE', 'PID', 'ROOT', 'COMMAND', 'CREATED'];
  await printTable(
    context,
    titles.map((title) => ({ title })),
    all.map(row),
  );
}

function row({ record, state }: KnownContainer): string[] {
  const { id, arguments: args, init, command, created } = record;
  const words = command?.join(' ') ?? '';
  return [
    String(id),
    args.name || '-',
    state,
    init === null ? '-' : String(init.pid),
    args.root,
    words.length > 30 ? `${words.slice(0, 29)}…` : words || '-',
    created,
  ];
}
