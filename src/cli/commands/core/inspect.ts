/** `g8ufs core inspect`: everything that is known of a container. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const inspect = new Command('inspect')
    .description('print all that is known of a container as JSON')
    .argument('<container>', 'its number or name')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((query: string, flags: StateFlags) => run(context, query, flags));
  return addHelpSections(inspect, {
    examples: [['core inspect web', 'how it was made, its processes, network and folders']],
    settings: ['coreState'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION', 'ERR_IO'],
  });
}

async function run(context: Context, query: string, flags: StateFlags): Promise<void> {
  const { findContainer, stateConfig } = await import('../../core-access.ts');
  const { ContainerCgroup } = await import('../../../core/container/cgroup.ts');
  const { rootOf } = await import('../../../core/container/record.ts');
  const { RecordFile } = await import('../../../core/network/record.ts');
  const { join } = await import('node:path');
  const { cgroupUsage } = await import('../../../core/cgroup/usage.ts');
  const { printJson } = await import('../../ui/json.ts');
  const config = await stateConfig(context, flags);
  const { record, folder, state } = await findContainer(config, query);
  const cgroup = `${config.get('coreCgroup')}/${record.id}`;
  const networks = await new RecordFile(join(config.get('coreState'), 'network')).read();
  await printJson(context, {
    ...record,
    state,
    processes: new ContainerCgroup(cgroup).processes(),
    usage: cgroupUsage(cgroup),
    network: networks.containers[record.id] ?? null,
    root: rootOf(folder, record),
    upper: folder.upper,
    log: folder.log,
    cgroup,
  });
}
