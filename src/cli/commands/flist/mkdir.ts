/** `g8ufs flist mkdir`: directories in an image. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import {
  addOutputFlag,
  birthOf,
  EDIT_FAILURES,
  type EditFlags,
  editFlist,
  pathBytes,
} from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends EditFlags {
  readonly parents?: boolean;
  readonly mode: string;
}

export function command(context: Context): Command {
  const mkdir = new Command('mkdir')
    .description('make directories in a flist')
    .argument('<flist>', 'flist file')
    .argument('<path...>', 'directories to make')
    .option('-p, --parents', 'make missing parents too, and take directories that are there')
    .option('-m, --mode <octal>', 'permissions', '755');
  addOutputFlag(mkdir).action((flist: string, paths: string[], flags: Flags) =>
    run(context, flist, paths, flags),
  );
  return addHelpSections(mkdir, {
    examples: [
      ['flist mkdir web.flist /srv', 'one directory'],
      ['flist mkdir -p -m 1777 web.flist /var/cache/app/tmp', 'with its parents'],
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
  const { makeDirectory } = await import('../../../format/edit/entries.ts');
  if (!/^[0-7]{1,4}$/.test(flags.mode)) {
    throw new G8Error('ERR_USAGE', `--mode is '${flags.mode}', not an octal number`);
  }
  const birth = birthOf(context, Number.parseInt(flags.mode, 8));
  await editFlist(context, flist, flags, (image) => {
    for (const path of paths) {
      const options = { parents: flags.parents === true };
      image.root = makeDirectory(image.root, pathBytes(path), birth, options);
    }
  });
}
