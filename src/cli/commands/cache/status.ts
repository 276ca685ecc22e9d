/** `g8ufs cache status`: what the content cache holds and has done. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import type { QuotaStatus } from '../../../fs/quotas.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const status = new Command('status')
    .description('show what the content cache holds and has done')
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .action((flags: { cache?: string }) => run(context, flags.cache));
  return addHelpSections(status, {
    examples: [
      ['cache status', 'sizes and counters'],
      ['cache status --json', 'the same for a script, in bytes'],
    ],
    settings: ['cacheDir'],
    failures: ['ERR_CACHE_LOCKED', 'ERR_IO', 'ERR_PERMISSION'],
  });
}

type Status = Record<string, string | number> & {
  /** Absent without a daemon: only mounts have such. */
  readonly quotas?: readonly QuotaStatus[];
};

async function run(context: Context, cache: string | undefined): Promise<void> {
  const { askCache } = await import('../../cache-access.ts');
  const { quotas = [], ...status } = await askCache<Status>(context, cache, 'cache.status');
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, { ...status, quotas });
    return;
  }
  const { printTable } = await import('../../ui/table.ts');
  const rows = Object.entries(status).map(([name, value]) => [
    words(name),
    typeof value === 'number' && /bytes|size|free/i.test(name) ? formatSize(value) : String(value),
  ]);
  for (const { source, bytes, bytesMax } of quotas) {
    rows.push([`quota of ${source}`, `${formatSize(bytes)} of ${formatSize(bytesMax)}`]);
  }
  await printTable(context, [{ title: 'NAME' }, { title: 'VALUE' }], rows);
}

/** `corruptFiles` as `corrupt files`. */
function words(name: string): string {
  return name
    .replace(/Bytes$/, '')
    .replace(/([A-Z])/g, ' $1')
    .toLowerCase();
}
