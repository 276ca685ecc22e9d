/** `g8ufs core stats`: what containers use now. */
import { Command } from 'commander';
import type { CgroupUsage } from '../../../core/cgroup/usage.ts';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

/** Processor time is measured over this time. */
const SPAN_MS = 500;

interface Row extends CgroupUsage {
  readonly id: number;
  readonly name: string;
  /** Of one processor. */
  readonly cpuPercent: number;
}

export function command(context: Context): Command {
  const stats = new Command('stats')
    .description('show what the processes of each container use')
    .argument('[container...]', 'numbers or names (default: all that run)')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((queries: string[], flags: StateFlags) => run(context, queries, flags));
  return addHelpSections(stats, {
    notes: ['Processor time is that of the last half second, in per cent of one processor.'],
    examples: [
      ['core stats', 'all containers'],
      ['core stats web --json', 'one, for a script'],
    ],
    settings: ['coreState'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION', 'ERR_IO'],
  });
}

async function run(context: Context, queries: readonly string[], flags: StateFlags): Promise<void> {
  const { findRunning, listContainers, stateConfig } = await import('../../core-access.ts');
  const { cgroupUsage } = await import('../../../core/cgroup/usage.ts');
  const { sleep } = await import('../../../base/deadline.ts');
  const config = await stateConfig(context, flags);
  const chosen =
    queries.length === 0
      ? (await listContainers(config)).filter(({ state }) => state === 'running')
      : await Promise.all(queries.map((query) => findRunning(config, query)));
  const usageOf = (id: number): CgroupUsage => cgroupUsage(`${config.get('coreCgroup')}/${id}`);
  const before = chosen.map(({ record }) => usageOf(record.id).cpuNs);
  const started = performance.now();
  if (chosen.length > 0) await sleep(SPAN_MS, context.signal);
  const spanNs = (performance.now() - started) * 1e6;
  const rows = chosen.map(({ record }, index): Row => {
    const usage = usageOf(record.id);
    const share = Math.max(0, usage.cpuNs - (before[index] as number)) / spanNs;
    const cpuPercent = Math.round(share * 1000) / 10;
    return { id: record.id, name: record.arguments.name, cpuPercent, ...usage };
  });
  await show(context, rows);
}

async function show(context: Context, rows: readonly Row[]): Promise<void> {
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, rows);
    return;
  }
  const { formatSize } = await import('../../../base/bytes.ts');
  const { printTable } = await import('../../ui/table.ts');
  await printTable(
    context,
    [
      { title: 'ID' },
      { title: 'NAME' },
      { title: 'CPU %', align: 'right' },
      { title: 'MEMORY', align: 'right' },
      { title: 'LIMIT', align: 'right' },
      { title: 'PROCESSES', align: 'right' },
    ],
    rows.map(({ id, name, cpuPercent, memoryBytes, memoryMaxBytes, processCount }) => [
      String(id),
      name || '-',
      cpuPercent.toFixed(1),
      formatSize(memoryBytes),
      memoryMaxBytes === undefined ? '-' : formatSize(memoryMaxBytes),
      String(processCount),
    ]),
  );
}
