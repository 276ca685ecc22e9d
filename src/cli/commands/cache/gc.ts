/** `g8ufs cache gc`: applies the cache's limits now. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const gc = new Command('gc')
    .description('evict what exceeds the limits of the content cache, now')
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .action((flags: { cache?: string }) => run(context, flags.cache));
  return addHelpSections(gc, {
    examples: [['cache gc', 'least recently used contents go first, open ones never']],
    settings: ['cacheDir'],
    failures: ['ERR_CACHE_LOCKED', 'ERR_IO', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, cache: string | undefined): Promise<void> {
  const { askCache } = await import('../../cache-access.ts');
  const result = await askCache<{ freedBytes: number }>(context, cache, 'cache.gc');
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
  } else if (!context.quiet) {
    context.stdout.write(`Freed ${formatSize(result.freedBytes)}\n`);
  }
}
