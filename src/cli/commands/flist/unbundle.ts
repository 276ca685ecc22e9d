/** `g8ufs flist unbundle`: a bundle's chunks into a store, its flist into a file. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import { plural } from '../../../base/plural.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly store?: string;
}

export function command(context: Context): Command {
  const unbundle = new Command('unbundle')
    .description('bring the chunks of a bundle into a store and take its flist out')
    .argument('<bundle>', 'bundle file')
    .argument('<flist>', 'file to write; the signature goes beside it')
    .option(
      '-s, --store <url>',
      'where chunks go: http(s)://… or dir:///path (default: G8UFS_STORE)',
    )
    .action((bundle: string, flist: string, flags: Flags) => run(context, bundle, flist, flags));
  return addHelpSections(unbundle, {
    notes: [
      'Only chunks that the store lacks are brought there; each is checked against its id first.',
    ],
    examples: [['flist unbundle debian.bundle debian.flist --store http://hub:8080', 'to a hub']],
    settings: ['stores'],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, path: string, flist: string, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../../config/config.ts');
  const config = await loadConfig(context.env, { stores: flags.store });
  const [url] = config.get('stores');
  if (url === undefined) throw new G8Error('ERR_USAGE', 'Give a store for the chunks with --store');
  const { unbundle } = await import('../../bundle-access.ts');
  const summary = await unbundle(context, path, flist, url);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, summary);
  } else if (!context.quiet) {
    const { escapeName } = await import('../../../base/name-text.ts');
    const name = escapeName(Buffer.from(flist));
    const { chunks, newChunks, signed } = summary;
    const suffix = signed ? ', with its signature' : '';
    context.stdout.write(`${name}${suffix}: ${newChunks} of ${plural(chunks, 'chunk')} new\n`);
  }
}
