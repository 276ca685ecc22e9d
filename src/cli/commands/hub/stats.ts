/** `g8ufs hub stats`: what the flists of a hub share. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import { plural } from '../../../base/plural.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { addRunFlags, type RunFlags } from '../../hub-runs.ts';

export function command(context: Context): Command {
  const stats = new Command('stats')
    .description('show how much each flist of a hub needs, and how much it alone needs')
    .action((flags: RunFlags) => run(context, flags));
  addRunFlags(stats);
  return addHelpSections(stats, {
    notes: [
      'UNIQUE is what would be garbage without the flist. Sizes are as stored; historical flists do not tell theirs.',
    ],
    examples: [['hub stats', 'as a table']],
    settings: ['hubData', 'hubCatalogue', 'hubChunks', 'hubListen'],
    failures: [
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

async function run(context: Context, flags: RunFlags): Promise<void> {
  const { statsResult } = await import('../../../store/hub-runs.ts');
  const { runOverHub } = await import('../../hub-runs.ts');
  const result = await runOverHub(context, flags, {
    word: 'stats',
    body: {},
    result: statsResult,
    here: async (storage, running) => {
      const { hubStats } = await import('../../../hub/collect/stats.ts');
      return await hubStats(storage, running);
    },
  });
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
    return;
  }
  const { printTable } = await import('../../ui/table.ts');
  const columns = [
    { title: 'FLIST' },
    { title: 'SIZE', align: 'right' },
    { title: 'UNIQUE', align: 'right' },
  ] as const;
  const rows = result.flists.map(({ repository, name, bytes, uniqueBytes }) => [
    `${repository}/${name}`,
    formatSize(bytes),
    formatSize(uniqueBytes),
  ]);
  await printTable(context, columns, rows);
  if (context.quiet) return;
  const { chunks, storedBytes, referencedBytes, ratio } = result;
  context.stdout.write(
    `${plural(chunks, 'chunk')}, ${formatSize(storedBytes)} for ${formatSize(referencedBytes)} of flists: ${ratio.toFixed(2)} to 1\n`,
  );
}
