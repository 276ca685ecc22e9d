/** `g8ufs flist find`: paths of an image by name and type. */
import { Command, Option } from 'commander';
import type { WalkEntry } from '../../../format/index/walk.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly name?: string;
  readonly type?: string;
  readonly print0?: boolean;
}

export function command(context: Context): Command {
  const find = new Command('find')
    .description('list the paths of a flist that match')
    .argument('<flist>', 'flist file or URL')
    .argument('[path]', 'folder to begin at', '/')
    .option('--name <pattern>', 'names that match a shell pattern')
    .addOption(
      new Option('--type <letter>', 'entries of one type: file, directory, link, …').choices([
        ...'fdlcbps',
      ]),
    )
    .option('-0, --print0', 'end each path with a NUL byte instead of a newline')
    .action((flist: string, path: string, flags: Flags) => run(context, flist, path, flags));
  return addHelpSections(find, {
    examples: [
      ["flist find debian.flist /usr --name '*.so*' --type f", 'all shared libraries'],
      ['flist find debian.flist --type l --json', 'all links, one JSON object per line'],
    ],
    failures: ['ERR_FLIST_FORMAT', 'ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_IO'],
  });
}

async function run(context: Context, flist: string, start: string, flags: Flags): Promise<void> {
  const { withImage, findEntry } = await import('../../image-access.ts');
  const { equalBytes } = await import('../../../base/bytes.ts');
  const { compileName } = await import('../../../image/glob.ts');
  const { entryJson, TYPE_LETTERS } = await import('../../ui/entry.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  const { printableName } = await import('../../ui/name.ts');
  const { Output } = await import('../../ui/output.ts');
  const matchesName = flags.name === undefined ? undefined : compileName(flags.name);
  const isWanted = (entry: WalkEntry): boolean =>
    (flags.type === undefined || TYPE_LETTERS[entry.type] === flags.type) &&
    (matchesName === undefined || matchesName(Buffer.from(entry.name).toString()));
  const escaped = context.stdout.isTTY === true && flags.print0 !== true;
  await withImage(context, flist, async (image) => {
    const output = new Output(context);
    const top = findEntry(image, start, { followLast: false });
    let within: number | undefined;
    for (const entry of image.index.walk()) {
      // The walk is in pre-order: a subtree begins at its folder and ends at the next entry that is no deeper.
      if (within === undefined) {
        // A hard link has several paths with one node: the one that was named is meant.
        if (entry.nid !== top.inode.nid || !equalBytes(entry.path(), top.path)) continue;
        within = entry.depth;
      } else if (entry.depth <= within) break;
      if (!isWanted(entry)) continue;
      const path = entry.path();
      if (context.json) {
        await output.write(jsonLine(entryJson(image, path, image.index.inode(entry.nid))));
      } else {
        await output.write(printableName(path, escaped));
        await output.write(flags.print0 === true ? '\0' : '\n');
      }
    }
    await output.flush();
  });
}
