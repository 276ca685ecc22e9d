/** `g8ufs flist cat`: contents of files of an image, through its stores, verified. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import type { FoundEntry } from '../../image-access.ts';
import { addStoreFlag, type StoreFlags } from '../../store-access.ts';

export function command(context: Context): Command {
  const cat = new Command('cat')
    .description('print files of a flist; every chunk is verified')
    .argument('<flist>', 'flist file or URL')
    .argument('<path...>', 'regular files in it');
  addStoreFlag(cat).action((flist: string, paths: string[], flags: StoreFlags) =>
    run(context, flist, paths, flags),
  );
  return addHelpSections(cat, {
    examples: [
      ['flist cat debian.flist /etc/os-release --store http://127.0.0.1:8080', 'one file'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_CONFIG',
    ],
  });
}

async function run(
  context: Context,
  flist: string,
  paths: readonly string[],
  flags: StoreFlags,
): Promise<void> {
  if (context.json) throw new G8Error('ERR_USAGE', 'File contents cannot be printed as JSON');
  const { withImage, findEntry } = await import('../../image-access.ts');
  await withImage(context, flist, async (image) => {
    const entries = paths.map((path) => findEntry(image, path, { followLast: true }));
    for (const { path, inode } of entries) {
      if (inode.type === 'file') continue;
      throw new G8Error('ERR_NO_INPUT', `${Buffer.from(path).toString()} is no regular file`);
    }
    await printFiles(context, image, entries, flags);
  });
}

async function printFiles(
  context: Context,
  image: Image,
  entries: readonly FoundEntry[],
  flags: StoreFlags,
): Promise<void> {
  const { withStores } = await import('../../store-access.ts');
  const { readContent } = await import('../../../image/read.ts');
  const { addon } = await import('../../../native/load.ts');
  const { writeAll } = await import('../../ui/output.ts');
  const codec = addon();
  const { signal } = context;
  await withStores(context, [image], flags, async (store) => {
    for (const { inode } of entries) {
      const index = image.contents.contentOf(inode.ino);
      if (index === undefined) continue;
      const content = image.contents.toContent(index);
      for await (const piece of readContent(content, { store, codec, signal })) {
        await writeAll(context.stdout, piece, signal);
      }
    }
  });
}
