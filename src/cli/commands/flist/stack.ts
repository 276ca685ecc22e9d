/** `g8ufs flist stack`: layers as one flist, as a mount of them would show. */
import { Command, Option } from 'commander';
import type { WhiteoutStyle } from '../../../format/layer/whiteout.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { writeCombined } from '../../layers-access.ts';

interface Flags {
  readonly whiteouts: WhiteoutStyle;
}

export function command(context: Context): Command {
  const stack = new Command('stack')
    .description('put flists over each other as layers; the last one is on top')
    .argument('<output>', 'file to write')
    .argument('<flist...>', 'flist files or URLs, the lowest first')
    .addOption(
      new Option('--whiteouts <style>', 'how upper layers remove names of lower ones')
        .choices(['none', 'oci', 'overlay'])
        .default('none'),
    )
    .action((output: string, flists: string[], flags: Flags) =>
      run(context, output, flists, flags),
    );
  return addHelpSections(stack, {
    notes: [
      'none: nothing removes anything, as in mounts of several flists. oci: .wh.NAME removes NAME of the layers below, .wh..wh..opq all that they have in its directory. overlay: character device 0:0 removes its name, the attributes trusted.overlay.opaque and user.overlay.opaque all that is below a directory. The marks themselves are not in the result. Settings (flist metadata) are those of the uppermost layer; the result looks for chunks where each of the flists does.',
    ],
    examples: [
      ['flist stack web.flist base.flist site.flist', 'two layers'],
      [
        'flist stack flat.flist base.flist upper.flist --whiteouts overlay',
        'with an upper directory of overlayfs',
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
  { whiteouts }: Flags,
): Promise<void> {
  const { stackTrees } = await import('../../../format/flist/stack.ts');
  const { stackLayers } = await import('../../../format/layer/stack-layers.ts');
  await writeCombined(context, output, flists, flists.length - 1, (roots) =>
    whiteouts === 'none' ? stackTrees(roots) : stackLayers(roots, whiteouts),
  );
}
