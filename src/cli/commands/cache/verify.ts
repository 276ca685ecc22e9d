/** `g8ufs cache verify`: reads everything in the cache and drops what is not what it should be. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import { plural } from '../../../base/plural.ts';
import type { VerifyReport } from '../../../fs/control-requests.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

/** A cache with corrupt files was found and mended. */
const FOUND_EXIT_CODE = 1;

export function command(context: Context): Command {
  const verify = new Command('verify')
    .description('check every cached file against its digests; drop what does not match')
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .option('--repair', 'fetch what was dropped again, where a mount has it')
    .action((flags: Flags) => run(context, flags));
  return addHelpSections(verify, {
    examples: [
      ['cache verify', 'what is dropped is fetched again when it is read'],
      ['cache verify --repair', 'and what is mounted at once'],
    ],
    results: [[FOUND_EXIT_CODE, 'corrupt files were found, and set aside']],
    notes: ['The last few corrupt files are kept in the folder corrupt of the cache.'],
    settings: ['cacheDir'],
    failures: ['ERR_CACHE_LOCKED', 'ERR_IO', 'ERR_PERMISSION'],
  });
}

interface Flags {
  readonly cache?: string;
  readonly repair?: boolean;
}

async function run(context: Context, { cache, repair = false }: Flags): Promise<void> {
  const { askCache } = await import('../../cache-access.ts');
  const result = await askCache<VerifyReport>(context, cache, 'cache.verify', { repair });
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
  } else if (!context.quiet) {
    const { contents, bytes, corruptFiles, repaired } = result;
    const checked = `Checked ${plural(contents, 'file')}, ${formatSize(bytes)}`;
    const fetched = repair ? `, ${repaired} of them fetched again` : '';
    context.stdout.write(`${checked}; ${corruptFiles} corrupt and removed${fetched}\n`);
  }
  if (result.corruptFiles > 0) context.setExitCode(FOUND_EXIT_CODE);
}
