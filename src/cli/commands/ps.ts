/** `g8ufs ps`: what is mounted. */
import { Command } from 'commander';
import type { ListedMount } from '../../fs/listed-mount.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const ps = new Command('ps')
    .description('list the mounts of all daemons of this user')
    .action(() => run(context));
  return addHelpSections(ps, {
    examples: [
      ['ps', 'one line for each mount'],
      ['ps --json', 'with counters, for a script'],
    ],
  });
}

type Row = ListedMount & { readonly pid: number; readonly cacheDir: string };

async function run(context: Context): Promise<void> {
  const { listOfAll } = await import('../daemons.ts');
  const rows = (await listOfAll<ListedMount>(context, 'list')).flatMap(({ pid, cacheDir, items }) =>
    items.map((mount): Row => ({ ...mount, pid, cacheDir })),
  );
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, rows);
    return;
  }
  const { printTable } = await import('../ui/table.ts');
  const columns = ['PID', 'MOUNT POINT', 'FLIST', 'MODE', 'TIER', 'DRIVER', 'SINCE'];
  await printTable(
    context,
    columns.map((title) => ({ title })),
    rows.map((row) => [
      String(row.pid),
      row.mountPoint,
      row.source,
      row.upper === null ? 'ro' : 'rw',
      row.tier,
      stateOf(row),
      row.since,
    ]),
  );
  const degraded = new Map(rows.map((row) => [row.cacheDir, row]));
  for (const [cacheDir, row] of degraded) {
    if (row.degraded === null) continue;
    const what = `is degraded (${row.degraded}): reads are served from memory`;
    context.stderr.write(`The cache ${cacheDir} ${what}. ${row.degradedBy ?? ''}\n`);
  }
}

function stateOf({ quarantine, restoring, passthrough, tier, driver }: Row): string {
  // A daemon of an earlier version does not say so.
  if (restoring === true) return 'being restored';
  if (quarantine !== null) return `not restored: ${quarantine.message}`;
  return passthrough && tier === 'fuse' ? `${driver}, passthrough` : driver;
}
