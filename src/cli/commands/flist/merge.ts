/** `g8ufs flist merge`: several flists as one, without chunks being touched. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { writeCombined } from '../../layers-access.ts';

interface Flags {
  readonly lastWins?: boolean;
}

export function command(context: Context): Command {
  const merge = new Command('merge')
    .description('merge flists into one; where several have a name, the first wins')
    .argument('<output>', 'file to write')
    .argument('<flist...>', 'flist files or URLs')
    .option('--last-wins', 'where several have a name, the last wins')
    .action((output: string, flists: string[], flags: Flags) =>
      run(context, output, flists, flags),
    );
  return addHelpSections(merge, {
    notes: [
      'Directories that several have are merged, under the attributes of the winner; a file and a directory of one name never are: the winner stays. Settings (flist metadata) are those of the winner alone, which is the first flist, or the last with --last-wins. The result looks for chunks where each of the flists does.',
    ],
    examples: [
      ['flist merge all.flist app.flist tools.flist base.flist', 'an image of three'],
      [
        'flist merge web.flist http://hub:8080/base/debian.flist site.flist --last-wins',
        'a site over a base',
      ],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
    ],
  });
}

async function run(
  context: Context,
  output: string,
  flists: readonly string[],
  { lastWins }: Flags,
): Promise<void> {
  const { mergeTrees, stackTrees } = await import('../../../format/flist/stack.ts');
  const winner = lastWins === true ? flists.length - 1 : 0;
  const combine = lastWins === true ? stackTrees : mergeTrees;
  await writeCombined(context, output, flists, winner, combine);
}
