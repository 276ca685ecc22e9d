/** `g8ufs cache verify`: reads everything in the cache and drops what is not what it should be. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import { plural } from '../../../base/plural.ts';
import type { VerifyProgress } from '../../../cache/verify.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

/** A cache with corrupt files was found and mended. */
const FOUND_EXIT_CODE = 1;

export function command(context: Context): Command {
  const verify = new Command('verify')
    .description('check every cached file against its digests; drop what does not match')
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .action((flags: { cache?: string }) => run(context, flags.cache));
  return addHelpSections(verify, {
    examples: [['cache verify', 'what is dropped is fetched again when it is read']],
    results: [[FOUND_EXIT_CODE, 'corrupt files were found, and removed']],
    settings: ['cacheDir'],
    failures: ['ERR_CACHE_LOCKED', 'ERR_IO', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, cache: string | undefined): Promise<void> {
  const { askCache } = await import('../../cache-access.ts');
  const result = await askCache<VerifyProgress>(context, cache, 'cache.verify');
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
  } else if (!context.quiet) {
    const { contents, bytes, corruptFiles } = result;
    context.stdout.write(
      `Checked ${plural(contents, 'file')}, ${formatSize(bytes)}; ${corruptFiles} corrupt and removed\n`,
    );
  }
  if (result.corruptFiles > 0) context.setExitCode(FOUND_EXIT_CODE);
}
