/** `g8ufs flist chmod`: permissions in an image. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import {
  addOutputFlag,
  EDIT_FAILURES,
  type EditFlags,
  editFlist,
  pathBytes,
} from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends EditFlags {
  readonly recursive?: boolean;
}

export function command(context: Context): Command {
  const chmod = new Command('chmod')
    .description('change permissions in a flist')
    .argument('<flist>', 'flist file')
    .argument('<mode>', 'octal or symbolic, as for chmod(1)')
    .argument('<path...>', 'files and directories; symlinks are followed')
    .option('-R, --recursive', 'change everything below as well');
  addOutputFlag(chmod).action((flist: string, mode: string, paths: string[], flags: Flags) =>
    run(context, flist, mode, paths, flags),
  );
  return addHelpSections(chmod, {
    notes: [
      'A file with several names changes under all of them. Without letters for whom, a mode is meant for all: an image has no umask. Write a mode that begins with a minus sign behind --, or as a-x.',
    ],
    examples: [
      ['flist chmod web.flist 4755 /usr/bin/sudo', 'octal, with the setuid bit'],
      ['flist chmod -R web.flist u=rwX,go=rX /srv', 'symbolic, for a whole directory'],
    ],
    failures: EDIT_FAILURES,
  });
}

async function run(
  context: Context,
  flist: string,
  mode: string,
  paths: readonly string[],
  flags: Flags,
): Promise<void> {
  const { changeInodes } = await import('../../../format/edit/attributes.ts');
  const { parseModeChange } = await import('../../../format/edit/mode-change.ts');
  const { findPlace } = await import('../../../format/edit/place.ts');
  const change = parseModeChange(mode);
  const recursive = flags.recursive === true;
  await editFlist(context, flist, flags, (image) => {
    for (const path of paths) {
      const { inode } = findPlace(image.root, pathBytes(path), { followLast: true });
      image.root = changeInodes(image.root, inode, { recursive }, (one) => change.apply(one));
    }
  });
}
