/** `g8ufs flist chown`: owners in an image. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import {
  addOutputFlag,
  EDIT_FAILURES,
  type EditFlags,
  editFlist,
  parseId,
  pathBytes,
} from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends EditFlags {
  readonly recursive?: boolean;
  /** `false` for `--no-dereference`. */
  readonly dereference: boolean;
}

export function command(context: Context): Command {
  const chown = new Command('chown')
    .description('change owners in a flist')
    .argument('<flist>', 'flist file')
    .argument('<owner>', 'UID, UID:GID or :GID, as numbers')
    .argument('<path...>', 'files and directories; symlinks are followed')
    .option('-R, --recursive', 'change everything below as well, symlinks themselves')
    .option('-h, --no-dereference', 'change symlinks themselves')
    .helpOption('--help', 'show this page');
  addOutputFlag(chown).action((flist: string, owner: string, paths: string[], flags: Flags) =>
    run(context, flist, owner, paths, flags),
  );
  return addHelpSections(chown, {
    notes: [
      'A file with several names changes under all of them. Unlike in a running system, setuid and setgid bits stay.',
    ],
    examples: [
      ['flist chown -R web.flist 33:33 /var/www', 'everything below'],
      ['flist chown web.flist :42 /etc/shadow', 'the group only'],
    ],
    failures: EDIT_FAILURES,
  });
}

async function run(
  context: Context,
  flist: string,
  owner: string,
  paths: readonly string[],
  flags: Flags,
): Promise<void> {
  const { changeInodes, withOwner } = await import('../../../format/edit/attributes.ts');
  const { findPlace } = await import('../../../format/edit/place.ts');
  const wanted = parseOwner(owner);
  const recursive = flags.recursive === true;
  await editFlist(context, flist, flags, (image) => {
    for (const path of paths) {
      const followLast = flags.dereference;
      const { inode } = findPlace(image.root, pathBytes(path), { followLast });
      image.root = changeInodes(image.root, inode, { recursive }, (one) => withOwner(one, wanted));
    }
  });
}

function parseOwner(text: string): { uid?: number; gid?: number } {
  const match = /^(\d*)(?::(\d+))?$/.exec(text);
  const [, uid = '', gid] = match ?? [];
  if (match === null || (uid === '' && gid === undefined)) {
    throw new G8Error('ERR_USAGE', `Owner is '${text}', not UID, UID:GID or :GID`);
  }
  return {
    ...(uid !== '' && { uid: parseId(uid, 'User') }),
    ...(gid !== undefined && { gid: parseId(gid, 'Group') }),
  };
}
