/** `g8ufs pull`: brings a flist from a hub, with its chunks if wanted. */
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly store?: string;
}

export function command(context: Context): Command {
  const pull = new Command('pull')
    .description('bring a flist from a hub, with its signature and start profile')
    .argument('<url>', 'what: http://HUB/REPOSITORY/NAME, or REPOSITORY/NAME at G8UFS_HUB')
    .argument('[output]', 'file to write, or *.bundle for all in one (default: NAME.flist)')
    .option('-s, --store <url>', 'bring all chunks into this store: dir:///path, http(s)://…')
    .action((url: string, output: string | undefined, flags: Flags) =>
      run(context, url, output, flags),
    );
  return addHelpSections(pull, {
    notes: [
      'Chunks are verified, and those that the store has are not fetched again: one that was cut goes on where it was. The flist appears when all of them are there. One that is here already in the same form is left as it is.',
      'The chunks of a bundle wait in OUTPUT.parts until all of them are here; a pull that is never repeated leaves that folder.',
    ],
    examples: [
      ['pull https://hub.example/demo/debian', 'debian.flist here; chunks come when they are read'],
      ['pull demo/debian --store dir:///srv/chunks', 'with all chunks, to be mounted offline'],
      ['pull demo/debian debian.bundle', 'everything in one file'],
    ],
    settings: ['hub'],
    failures: [
      'ERR_NO_INPUT',
      'ERR_FLIST_FORMAT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(
  context: Context,
  url: string,
  output: string | undefined,
  flags: Flags,
): Promise<void> {
  const { pullFlist } = await import('../pull-access.ts');
  const { hubFlist } = await import('../hub-access.ts');
  const from = await hubFlist(context, url);
  const summary = await pullFlist(context, from, output ?? `${from.name}.flist`, flags.store);
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, summary);
    return;
  }
  if (context.quiet) return;
  const { formatSize } = await import('../../base/bytes.ts');
  const { escapeName } = await import('../../base/name-text.ts');
  const { plural } = await import('../../base/plural.ts');
  const { carried, isUnchanged, size } = summary;
  const name = escapeName(Buffer.from(summary.output));
  const chunks = carried && `: ${carried.newChunks} of ${plural(carried.chunks, 'chunk')} new`;
  const state = isUnchanged ? 'unchanged' : formatSize(size);
  context.stdout.write(`${name}, ${state}${chunks ?? ''}\n`);
}
