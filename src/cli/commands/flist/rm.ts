/** `g8ufs flist rm`: takes names out of an image. */
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
  readonly force?: boolean;
}

export function command(context: Context): Command {
  const rm = new Command('rm')
    .description('remove files from a flist; their chunks stay in the store')
    .argument('<flist>', 'flist file')
    .argument('<path...>', 'what to remove; symlinks are not followed')
    .option('-r, --recursive', 'remove directories with everything in them')
    .option('-f, --force', 'pass over what is not there');
  addOutputFlag(rm).action((flist: string, paths: string[], flags: Flags) =>
    run(context, flist, paths, flags),
  );
  return addHelpSections(rm, {
    examples: [
      ['flist rm web.flist /etc/motd', 'one file'],
      ['flist rm -rf web.flist /usr/share/doc /usr/share/man', 'make an image smaller'],
    ],
    failures: EDIT_FAILURES,
  });
}

async function run(
  context: Context,
  flist: string,
  paths: readonly string[],
  flags: Flags,
): Promise<void> {
  const { removeEntry } = await import('../../../format/edit/entries.ts');
  const { lookUp } = await import('../../../format/edit/place.ts');
  const directories = flags.recursive === true ? 'all' : 'none';
  await editFlist(context, flist, flags, (image) => {
    for (const path of paths.map(pathBytes)) {
      const isThere = lookUp(image.root, path, { followLast: false }) !== undefined;
      if (!isThere && flags.force === true) continue;
      image.root = removeEntry(image.root, path, { directories });
    }
  });
}
