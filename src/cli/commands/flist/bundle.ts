/** `g8ufs flist bundle`: a flist with its chunks in one file. */
import { Command } from 'commander';
import { plural } from '../../../base/plural.ts';
import type { Context } from '../../context.ts';
import { repeated } from '../../create-flags.ts';
import { addHelpSections } from '../../help.ts';
import { addStoreFlag, type StoreFlags } from '../../store-access.ts';

interface Flags extends StoreFlags {
  readonly path: readonly string[];
  readonly base: readonly string[];
}

export function command(context: Context): Command {
  const bundle = new Command('bundle')
    .description('put a flist, its signature and its chunks into one file')
    .argument('<flist>', 'flist file or URL')
    .argument('<bundle>', 'file to write, *.bundle')
    .option('--path <path>', 'take only chunks of what is at this path (repeatable)', repeated, [])
    .option(
      '--base <flist>',
      'leave out chunks that this flist or bundle has (repeatable)',
      repeated,
      [],
    );
  addStoreFlag(bundle).action((flist: string, output: string, flags: Flags) =>
    run(context, flist, output, flags),
  );
  return addHelpSections(bundle, {
    notes: [
      'A bundle can be named wherever a flist can, and needs no store: its own chunks are asked first. It is a plain tar; the flist in it is the file as it was, so that digests and signatures hold.',
    ],
    examples: [
      ['flist bundle debian.flist debian.bundle --store http://hub:8080', 'everything'],
      ['mount debian.bundle /mnt', 'without any network'],
      ['flist bundle new.flist update.bundle --base debian.bundle', 'only what has changed'],
      [
        'flist bundle debian.flist boot.bundle --path /boot --path /etc',
        'a part; the rest from stores',
      ],
    ],
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

async function run(context: Context, flist: string, output: string, flags: Flags): Promise<void> {
  const { bundleFlist } = await import('../../bundle-access.ts');
  const summary = await bundleFlist(context, flist, output, flags);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, summary);
    return;
  }
  if (context.quiet) return;
  const { formatSize } = await import('../../../base/bytes.ts');
  const { escapeName } = await import('../../../base/name-text.ts');
  const { chunks, absentChunks, size } = summary;
  const absent = absentChunks > 0 ? `, without ${plural(absentChunks, 'other')}` : '';
  const name = escapeName(Buffer.from(output));
  context.stdout.write(`${name}, ${formatSize(size)}: ${plural(chunks, 'chunk')}${absent}\n`);
}
