/** `g8ufs flist undump`: a flist from the text that `flist dump` prints. */
import { Command, Option } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly route?: string;
  readonly compress: 'gzip' | 'none';
}

export function command(context: Context): Command {
  const undump = new Command('undump')
    .description('make a flist of the text that flist dump prints; its chunks must be in a store')
    .argument('<dump>', 'text file; - reads standard input')
    .argument('<flist>', 'file to write')
    .option('--route <url>', 'store that the flist names to readers')
    .addOption(
      new Option('--compress <how>', 'compression of the flist itself')
        .choices(['gzip', 'none'])
        .default('gzip'),
    )
    .action((dump: string, flist: string, flags: Flags) => run(context, dump, flist, flags));
  return addHelpSections(undump, {
    notes: ['A mistake is reported with the number of its line, and nothing is written then.'],
    examples: [
      ['flist undump debian.dump debian.flist --route http://127.0.0.1:8080', 'after an edit'],
    ],
    failures: ['ERR_FLIST_FORMAT', 'ERR_NO_INPUT', 'ERR_CREATE', 'ERR_IO', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, dump: string, flist: string, flags: Flags): Promise<void> {
  const { fileStream } = await import('../../../image/file-stream.ts');
  const { checkOutput } = await import('../../../image/output.ts');
  const { packTree } = await import('../../../image/pack.ts');
  const { formatRouter, publicUrl } = await import('../../../image/router.ts');
  const { readDump } = await import('../../../image/undump.ts');
  const url = flags.route === undefined ? undefined : publicUrl(flags.route);
  if (flags.route !== undefined && url === undefined) {
    throw new G8Error('ERR_USAGE', '--route is not an http or https URL');
  }
  await checkOutput(flist);
  const { signal } = context;
  const isStdin = dump === '-';
  const source = isStdin ? context.stdin : fileStream(dump, { signal });
  if (source === undefined) throw new G8Error('ERR_USAGE', 'Standard input is a terminal');
  const root = await readDump(source, isStdin ? 'Standard input' : dump, signal);
  const { flistSize, counts, rootDigest } = await packTree(root, flist, {
    compression: flags.compress,
    router: url === undefined ? undefined : formatRouter(url),
    signal,
  });
  const { toHex, formatSize } = await import('../../../base/bytes.ts');
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, { output: flist, flistSize, ...counts, rootDigest });
  } else if (!context.quiet) {
    const { escapeName } = await import('../../../base/name-text.ts');
    const name = escapeName(Buffer.from(flist));
    context.stdout.write(`${name}, ${formatSize(flistSize)}, root digest ${toHex(rootDigest)}\n`);
  }
}
