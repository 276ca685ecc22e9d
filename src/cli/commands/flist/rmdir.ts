/** `g8ufs flist rmdir`: takes empty directories out of an image. */
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

export function command(context: Context): Command {
  const rmdir = new Command('rmdir')
    .description('remove empty directories from a flist')
    .argument('<flist>', 'flist file')
    .argument('<path...>', 'directories to remove');
  addOutputFlag(rmdir).action((flist: string, paths: string[], flags: EditFlags) =>
    run(context, flist, paths, flags),
  );
  return addHelpSections(rmdir, {
    examples: [['flist rmdir web.flist /mnt /media', 'what is not needed']],
    failures: EDIT_FAILURES,
  });
}

async function run(
  context: Context,
  flist: string,
  paths: readonly string[],
  flags: EditFlags,
): Promise<void> {
  const { removeEntry } = await import('../../../format/edit/entries.ts');
  await editFlist(context, flist, flags, (image) => {
    for (const path of paths) {
      image.root = removeEntry(image.root, pathBytes(path), { directories: 'only-empty' });
    }
  });
}
