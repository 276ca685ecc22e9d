/** `g8ufs flist mv`: other names for what is in an image. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
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
  const mv = new Command('mv')
    .description('move or rename within a flist')
    .argument('<flist>', 'flist file')
    .argument('<path...>', 'what to move, and last where to; symlinks are not followed');
  addOutputFlag(mv).action((flist: string, paths: string[], flags: EditFlags) =>
    run(context, flist, paths, flags),
  );
  return addHelpSections(mv, {
    notes: [
      'When the last path is a directory, the others go into it. A file that has the new name is replaced, a directory only when it is empty.',
    ],
    examples: [
      ['flist mv web.flist /etc/nginx.conf /etc/nginx/', 'into a directory'],
      ['flist mv web.flist /opt/app-1.2 /opt/app', 'another name'],
    ],
    failures: EDIT_FAILURES,
  });
}

async function run(
  context: Context,
  flist: string,
  paths: readonly string[],
  flags: EditFlags,
): Promise<void> {
  const { destination, moveEntry } = await import('../../../format/edit/entries.ts');
  const { findPlace, findSlot, isDirectory } = await import('../../../format/edit/place.ts');
  const sources = paths.slice(0, -1).map(pathBytes);
  const target = pathBytes(paths.at(-1) as string);
  if (sources.length === 0) throw new G8Error('ERR_USAGE', 'Say what to move, and where to');
  await editFlist(context, flist, flags, (image) => {
    if (sources.length > 1) {
      const { inode } = findPlace(image.root, target, { followLast: true });
      if (!isDirectory(inode)) throw new G8Error('ERR_NO_INPUT', 'Many can only go to a directory');
    }
    for (const source of sources) {
      const from = findSlot(image.root, source);
      image.root = moveEntry(image.root, from, destination(image.root, target, from.name));
    }
  });
}
