/** `g8ufs flist cat`: contents of files of an image, through its stores, verified. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Image } from '../../../image/open.ts';
import type { ReadRange } from '../../../image/read.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import type { FoundEntry } from '../../image-access.ts';
import { addStoreFlag, type StoreFlags } from '../../store-access.ts';

interface Flags extends StoreFlags {
  readonly offset?: string;
  readonly length?: string;
}

export function command(context: Context): Command {
  const cat = new Command('cat')
    .description('print files of a flist; every chunk is verified')
    .argument('<flist>', 'flist file or URL')
    .argument('<path...>', 'regular files in it')
    .option('--offset <size>', 'begin there in each file')
    .option('--length <size>', 'print at most so much of each file');
  addStoreFlag(cat).action((flist: string, paths: string[], flags: Flags) =>
    run(context, flist, paths, flags),
  );
  return addHelpSections(cat, {
    examples: [
      ['flist cat debian.flist /etc/os-release --store http://127.0.0.1:8080', 'one file'],
      [
        'flist cat debian.flist /var/cache/big --offset 1GiB --length 64K | xxd | less',
        'a part; only the chunks that have it are fetched',
      ],
    ],
    settings: ['stores'],
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
  const range = await parseRange(flags);
  const { withImage, findEntry } = await import('../../image-access.ts');
  await withImage(
    context,
    flist,
    async (image) => {
      const entries = await image.load(() =>
        paths.map((path) => findEntry(image, path, { followLast: true })),
      );
      for (const { path, inode } of entries) {
        if (inode.type === 'file') continue;
        throw new G8Error('ERR_NO_INPUT', `${Buffer.from(path).toString()} is no regular file`);
      }
      await printFiles(context, image, entries, flags, range);
    },
    'paths',
  );
}

/** @throws ERR_USAGE */
async function parseRange({ offset, length }: Flags): Promise<ReadRange> {
  const { parseSize } = await import('../../../base/bytes.ts');
  const parse = (name: string, text: string | undefined, absent: number): number => {
    const size = text === undefined ? absent : parseSize(text);
    if (size === undefined) throw new G8Error('ERR_USAGE', `--${name} is '${text}', not a size`);
    return size;
  };
  const whole = Number.MAX_SAFE_INTEGER;
  return { offset: parse('offset', offset, 0), length: parse('length', length, whole) };
}

async function printFiles(
  context: Context,
  image: Image,
  entries: readonly FoundEntry[],
  flags: Flags,
  range: ReadRange,
): Promise<void> {
  const { withStores } = await import('../../store-access.ts');
  const { readRange } = await import('../../../image/read.ts');
  const { addon } = await import('../../../native/load.ts');
  const { writeAll } = await import('../../ui/output.ts');
  const codec = addon();
  const { signal } = context;
  await withStores(context, [image], flags, async (store) => {
    for (const { inode } of entries) {
      const content = await image.load(() => {
        const index = image.contents.contentOf(inode.ino);
        return index === undefined ? undefined : image.contents.toContent(index);
      });
      if (content === undefined) continue;
      for await (const piece of readRange(content, range, { store, codec, signal })) {
        await writeAll(context.stdout, piece, signal);
      }
    }
  });
}
