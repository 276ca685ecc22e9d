/** `g8ufs selftest`: makes an image, a hub and mounts on this machine, reads everything, and says what held. */
import { tmpdir } from 'node:os';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';
import type { Scenario } from '../selftest/scenarios.ts';

interface Flags {
  readonly chaos?: boolean;
}

interface Outcome {
  readonly name: string;
  readonly held: boolean;
  readonly text: string;
  readonly elapsedMs: number;
}

export function command(context: Context): Command {
  const selftest = new Command('selftest')
    .description('mount an image of its own here, and verify every file')
    .option(
      '--chaos',
      'while connections are cut, the hub stalls, data is corrupt, the daemon dies',
    )
    .action((flags: Flags) => run(context, flags));
  return addHelpSections(selftest, {
    notes: [
      'The image, its hub on a loopback address, the caches and mounts are below a temporary folder (TMPDIR), which is gone afterwards, also after Ctrl-C. Nothing else on the machine is touched.',
      'It takes a few seconds, and up to a minute with --chaos. It ends with 1 when something did not hold.',
    ],
    examples: [
      ['selftest', 'does a mount work here?'],
      ['selftest --chaos', 'and when things go wrong?'],
    ],
    failures: ['ERR_NO_FUSE', 'ERR_MOUNT', 'ERR_CREATE', 'ERR_IO', 'ERR_CONFIG'],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { World } = await import('../selftest/world.ts');
  const { CHAOS, SCENARIOS } = await import('../selftest/scenarios.ts');
  const { signal } = context;
  const world = await World.make(context.env['TMPDIR'] || tmpdir(), signal);
  const outcomes: Outcome[] = [];
  try {
    for (const scenario of flags.chaos === true ? [...SCENARIOS, ...CHAOS] : SCENARIOS) {
      signal.throwIfAborted();
      outcomes.push(await outcomeOf(scenario, world, signal));
    }
  } finally {
    await world.close();
  }
  const isSound = outcomes.every(({ held }) => held);
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, { ok: isSound, scenarios: outcomes });
  } else if (!context.quiet || !isSound) await show(context, outcomes);
  if (!isSound) context.setExitCode(1);
}

async function outcomeOf(
  scenario: Scenario,
  world: Parameters<Scenario['run']>[0],
  signal: AbortSignal,
): Promise<Outcome> {
  const start = performance.now();
  const { name } = scenario;
  const elapsed = () => Math.round(performance.now() - start);
  try {
    const text = await scenario.run(world, signal);
    return { name, held: true, text, elapsedMs: elapsed() };
  } catch (error) {
    signal.throwIfAborted();
    const text = error instanceof Error ? error.message : String(error);
    return { name, held: false, text, elapsedMs: elapsed() };
  }
}

async function show(context: Context, outcomes: readonly Outcome[]): Promise<void> {
  const { paint } = await import('../ui/color.ts');
  const { printTable } = await import('../ui/table.ts');
  const rows = outcomes.map(({ name, held, text, elapsedMs }) => [
    held ? paint('green', 'held', context.color) : paint('red', 'FAILED', context.color),
    name,
    text,
    `${(elapsedMs / 1000).toFixed(1)} s`,
  ]);
  const columns = [{ title: '' }, { title: 'When' }, { title: 'What' }, { title: 'Time' }];
  await printTable(context, columns, rows);
}
