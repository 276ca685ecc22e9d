/** `g8ufs flist cat`: contents of files of an image, through its stores, verified. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { repeated } from '../../create-flags.ts';
import { addHelpSections } from '../../help.ts';
import type { FoundEntry } from '../../image-access.ts';

interface Flags {
  readonly store: readonly string[];
}

export function command(context: Context): Command {
  const cat = new Command('cat')
    .description('print files of a flist; every chunk is verified')
    .argument('<flist>', 'flist file or URL')
    .argument('<path...>', 'regular files in it')
    .option(
      '-s, --store <url>',
      'where chunks are, after the stores the flist names (repeatable)',
      repeated,
      [],
    )
    .action((flist: string, paths: string[], flags: Flags) => run(context, flist, paths, flags));
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
  flags: Flags,
): Promise<void> {
  if (context.json) throw new G8Error('ERR_USAGE', 'File contents cannot be printed as JSON');
  const { loadConfig } = await import('../../../config/config.ts');
  const { withImage, findEntry } = await import('../../image-access.ts');
  const stores = flags.store.length > 0 ? flags.store : undefined;
  const config = await loadConfig(context.env, { stores });
  await withImage(context, flist, async (image) => {
    const entries = paths.map((path) => findEntry(image, path, { followLast: true }));
    for (const { path, inode } of entries) {
      if (inode.type === 'file') continue;
      throw new G8Error('ERR_NO_INPUT', `${Buffer.from(path).toString()} is no regular file`);
    }
    await printFiles(context, image, entries, config.get('stores'));
  });
}

async function printFiles(
  context: Context,
  image: Image,
  entries: readonly FoundEntry[],
  urls: readonly string[],
): Promise<void> {
  const { openRoutedStore } = await import('../../../store/open.ts');
  const { parseRouter } = await import('../../../store/router-config.ts');
  const { readContent } = await import('../../../image/read.ts');
  const { addon } = await import('../../../native/load.ts');
  const { writeAll } = await import('../../ui/output.ts');
  const codec = addon();
  const routers =
    image.router === undefined ? [] : [parseRouter(image.router, `of ${image.source}`)];
  if (routers.length === 0 && urls.length === 0) {
    throw new G8Error('ERR_CONFIG', `${image.source} names no store; give one with --store`);
  }
  const store = openRoutedStore({
    urls,
    routers,
    digest: (data, length) => codec.blake2b(data, length),
  });
  try {
    for (const { inode } of entries) {
      const index = image.contents.contentOf(inode.ino);
      if (index === undefined) continue;
      const content = image.contents.toContent(index);
      for await (const piece of readContent(content, { store, codec, signal: context.signal })) {
        await writeAll(context.stdout, piece, context.signal);
      }
    }
  } finally {
    await store.close();
  }
}
