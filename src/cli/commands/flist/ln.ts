/** `g8ufs flist ln`: links in an image. */
import { Command } from 'commander';
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
  readonly symbolic?: boolean;
  readonly force?: boolean;
}

export function command(context: Context): Command {
  const ln = new Command('ln')
    .description('make hard links, or symlinks, in a flist')
    .argument('<flist>', 'flist file')
    .argument('<target>', 'what the link leads to')
    .argument('<path>', 'the new name, or a directory for it')
    .option('-s, --symbolic', 'make a symlink; its target is taken as it is')
    .option('-f, --force', 'replace what has the name, unless it is a directory');
  addOutputFlag(ln).action((flist: string, target: string, path: string, flags: Flags) =>
    run(context, flist, target, path, flags),
  );
  return addHelpSections(ln, {
    examples: [
      ['flist ln -s web.flist ../lib/systemd/systemd /sbin/init', 'a symlink'],
      ['flist ln web.flist /bin/busybox /bin/sh', 'one file under two names'],
    ],
    failures: EDIT_FAILURES,
  });
}

async function run(
  context: Context,
  flist: string,
  target: string,
  path: string,
  flags: Flags,
): Promise<void> {
  const { destination, linkEntry, symlinkEntry } = await import('../../../format/edit/entries.ts');
  const options = { replace: flags.force === true };
  const name = /([^/]+)\/*$/.exec(target)?.[1];
  const bytes = pathBytes(target);
  await editFlist(context, flist, flags, (image) => {
    const slot = destination(image.root, pathBytes(path), name && toLatin1(name));
    image.root =
      flags.symbolic === true
        ? symlinkEntry(image.root, bytes, slot, birthOf(context, 0o777), options)
        : linkEntry(image.root, bytes, slot, options);
  });
}

/** Names inside trees have a character for each byte. */
function toLatin1(name: string): string {
  return Buffer.from(name).toString('latin1');
}
