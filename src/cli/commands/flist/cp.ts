/** `g8ufs flist cp`: files and folders out of an image, without mounting it. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import type { CopyFlags } from '../../copy-access.ts';
import { addHelpSections } from '../../help.ts';
import { addStoreFlag } from '../../store-access.ts';

export function command(context: Context): Command {
  const cp = new Command('cp')
    .description('copy files and folders out of a flist; every chunk is verified')
    .argument('<flist>', 'flist file or URL')
    .argument('<path...>', 'what to copy, and at the end where to on this machine')
    .option('-r, --recursive', 'folders with all that is in them')
    .option('-a, --archive', 'the same, with owners, times and attributes, and links as links')
    .option('-p, --preserve', 'keep owners, times and attributes');
  addStoreFlag(cp).action((flist: string, paths: string[], flags: CopyFlags) =>
    run(context, flist, paths, flags),
  );
  return addHelpSections(cp, {
    notes: [
      'As cp(1): what is copied lands in the target when that is a folder, else it gets its name. It is made under another name beside its place and renamed when it is complete. A file that is there is replaced, a folder is not. Only root can keep owners and devices.',
    ],
    examples: [
      ['flist cp debian.flist /etc/os-release . --store http://127.0.0.1:8080', 'one file'],
      ['flist cp -a debian.flist /usr/share/doc ./doc -s dir:///srv/chunks', 'a folder as it is'],
    ],
    settings: ['stores'],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(
  context: Context,
  flist: string,
  paths: readonly string[],
  flags: CopyFlags,
): Promise<void> {
  const { copyOut } = await import('../../copy-access.ts');
  await copyOut(context, flist, paths, flags);
}
