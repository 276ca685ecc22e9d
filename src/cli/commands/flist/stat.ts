/** `g8ufs flist stat`: everything an image records of a path. */
import { Command } from 'commander';
import { plural } from '../../../base/plural.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import type { FoundEntry } from '../../image-access.ts';

export function command(context: Context): Command {
  const stat = new Command('stat')
    .description('show everything a flist records of a path; a link is shown itself')
    .argument('<flist>', 'flist file or URL')
    .argument('<path...>', 'paths in it')
    .action((flist: string, paths: string[]) => run(context, flist, paths));
  return addHelpSections(stat, {
    examples: [
      ['flist stat debian.flist /bin/sh /etc/passwd', 'two paths'],
      ['flist stat --json debian.flist /etc/passwd', 'one JSON object per line'],
    ],
    failures: ['ERR_FLIST_FORMAT', 'ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_IO'],
  });
}

async function run(context: Context, flist: string, paths: readonly string[]): Promise<void> {
  const { withImage, findEntry } = await import('../../image-access.ts');
  const { Output } = await import('../../ui/output.ts');
  const { entryJson } = await import('../../ui/entry.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  const describe = await createDescriber();
  await withImage(
    context,
    flist,
    async (image) => {
      const output = new Output(context);
      // All paths first: a wrong one must not leave half an answer.
      const texts = await image.load(() =>
        paths
          .map((path) => findEntry(image, path, { followLast: false }))
          .map((entry) =>
            context.json
              ? jsonLine(entryJson(image, entry.path, entry.inode))
              : describe(image, entry),
          ),
      );
      await output.write(texts.join(context.json ? '' : '\n'));
      await output.flush();
    },
    'paths',
  );
}

async function createDescriber(): Promise<(image: Image, entry: FoundEntry) => string> {
  const { formatMode } = await import('../../../format/index/inode-text.ts');
  const { entryJson } = await import('../../ui/entry.ts');
  const { escapeName } = await import('../../../base/name-text.ts');
  const { formatSize } = await import('../../../base/bytes.ts');
  return (image, { path, inode }) => {
    const json = entryJson(image, path, inode);
    const rows: [string, string][] = [
      ['Path', escapeName(path)],
      ['Type', json.type],
      ['Mode', `${json.mode} ${formatMode(inode)}`],
      ['Owner', `${json.uid}:${json.gid}`],
      ['Links', String(json.nlink)],
      ['Inode', String(json.ino)],
      ['Modified', json.mtime],
    ];
    if (inode.type === 'file') rows.push(['Size', `${json.size} (${formatSize(json.size)})`]);
    if (inode.type === 'symlink') {
      rows.push(['Target', escapeName(image.index.readlink(inode.nid))]);
    }
    if (json.rdevMajor !== undefined) rows.push(['Device', `${json.rdevMajor}, ${json.rdevMinor}`]);
    if (json.content !== undefined) {
      rows.push(['Content', json.content]);
      rows.push(['Chunks', `${json.chunks} of ${formatSize(json.blockSize ?? 0)}`]);
      rows.push(['Data', `${plural(json.dataBytes ?? 0, 'byte')} outside holes`]);
    }
    for (const { name, value } of image.index.xattrs(inode.nid)) {
      rows.push(['Attribute', `${escapeName(name)}=${escapeName(value)}`]);
    }
    return rows.map(([title, text]) => `${title.padEnd(10)}${text}\n`).join('');
  };
}
