/** `g8ufs hub gc`: deletes chunks of a hub that no flist needs. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import { plural } from '../../../base/plural.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { addRunFlags, type RunFlags } from '../../hub-runs.ts';

interface Flags extends RunFlags {
  readonly dryRun?: boolean;
  readonly grace: string;
}

export function command(context: Context): Command {
  const gc = new Command('gc')
    .description('delete chunks and packages of a hub that nothing refers to')
    .option('--dry-run', 'say what would be deleted, and change nothing')
    .option('--grace <duration>', 'how long something must have been found to be garbage', '24h')
    .action((flags: Flags) => run(context, flags));
  addRunFlags(gc);
  return addHelpSections(gc, {
    notes: [
      'A first run notes what nothing refers to; a later one deletes it when the grace period is over. Uploads may go on.',
      'Runs in this process, or asks the hub that has the catalogue open.',
    ],
    examples: [
      ['hub gc', 'once a day'],
      ['hub gc --dry-run --grace 1h', 'to see how much it would be'],
      ['hub gc --hub http://TOKEN@hub:8080', 'on another machine'],
    ],
    settings: ['hubData', 'hubCatalogue', 'hubChunks', 'hubListen'],
    failures: [
      'ERR_USAGE',
      'ERR_CHUNK_MISSING',
      'ERR_CHUNK_CORRUPT',
      'ERR_CACHE_LOCKED',
      'ERR_STORE_UNAVAILABLE',
      'ERR_PERMISSION',
      'ERR_CONFIG',
      'ERR_IO',
    ],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { parseDuration } = await import('../../../config/schema.ts');
  const { collectResult } = await import('../../../store/hub-runs.ts');
  const { runOverHub } = await import('../../hub-runs.ts');
  const graceMs = parseDuration(flags.grace);
  if (graceMs === undefined) {
    throw new G8Error('ERR_USAGE', `--grace ${flags.grace} is no duration such as 24h`);
  }
  const dryRun = flags.dryRun ?? false;
  const result = await runOverHub(context, flags, {
    word: 'gc',
    body: { graceMs, dryRun },
    result: collectResult,
    here: async (storage, running) => {
      const { collectGarbage } = await import('../../../hub/collect/collector.ts');
      return await collectGarbage(storage, { ...running, graceMs, dryRun });
    },
  });
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
  } else if (!context.quiet) {
    const { chunks, garbage, deleted, deletedPackages, packages } = result;
    const verb = dryRun ? 'to delete' : 'deleted';
    context.stdout.write(
      `${plural(chunks, 'chunk')}: ${garbage} garbage, ${deleted} ${verb}\n` +
        `${plural(packages + deletedPackages, 'package')}: ${deletedPackages} ${verb}\n`,
    );
  }
  for (const digest of result.unreadablePackages) {
    context.stderr.write(`Package ${digest} is no flist: only its own pieces are kept\n`);
  }
}
