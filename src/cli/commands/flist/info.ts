/** `g8ufs flist info`: what a flist is, in numbers. */
import { Command } from 'commander';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const info = new Command('info')
    .description('show sizes, counts, root digest and stores of a flist')
    .argument('<flist>', 'flist file or URL')
    .action((flist: string) => run(context, flist));
  return addHelpSections(info, {
    examples: [
      ['flist info debian.flist', 'a summary'],
      [
        'flist info --json http://127.0.0.1:8080/demo/debian.flist',
        'of a published flist, as JSON',
      ],
    ],
    failures: ['ERR_FLIST_FORMAT', 'ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_IO'],
  });
}

async function run(context: Context, flist: string): Promise<void> {
  const { storesOf, withImage } = await import('../../image-access.ts');
  await withImage(context, flist, async (image) => {
    const { summarize } = await import('../../../image/summary.ts');
    const summary = {
      source: image.source,
      generation: image.generation,
      hasMountIndex: !image.built,
      flistSize: image.flistSize,
      rootDigest: await image.rootDigest(),
      ...(await summarize(image, context.signal)),
      stores: await storesOf(image),
      metadata: Object.fromEntries(image.metadata),
    };
    if (context.json) {
      const { printJson } = await import('../../ui/json.ts');
      await printJson(context, summary);
    } else {
      const { writeAll } = await import('../../ui/output.ts');
      await writeAll(context.stdout, await describe(summary), context.signal);
    }
  });
}

type Summary = Pick<Image, 'source' | 'generation' | 'flistSize'> & {
  hasMountIndex: boolean;
  rootDigest: string;
  stores: string[];
  metadata: Record<string, string>;
} & import('../../../image/summary.ts').ImageSummary;

async function describe(summary: Summary): Promise<string> {
  const { formatSize } = await import('../../../base/bytes.ts');
  const { escapeName } = await import('../../ui/name.ts');
  const safe = (text: string): string => escapeName(Buffer.from(text));
  const { files, directories, symlinks, specials } = summary;
  // Historical flists do not record what their chunks take.
  const isKnown = summary.storedBytes > 0 || summary.chunks === 0;
  const stored = isKnown ? `${formatSize(summary.storedBytes)} stored` : 'stored size not recorded';
  const rows: [string, string][] = [
    ['Flist', safe(summary.source)],
    ['Generation', summary.generation],
    ['Mount index', summary.hasMountIndex ? 'in the package' : 'built from the records'],
    ['Size', summary.flistSize === undefined ? 'not said' : formatSize(summary.flistSize)],
    ['Root digest', summary.rootDigest],
    [
      'Entries',
      `${summary.entries}: ${directories} directories, ${files} files, ${symlinks} links, ${specials} special`,
    ],
    ['File bytes', `${formatSize(summary.bytes)} (${summary.bytes})`],
    ['Contents', `${summary.contents}, ${formatSize(summary.contentBytes)}`],
    ['Chunks', `${summary.chunks}, ${stored}`],
    ['Holes', `${formatSize(summary.holeBytes)} that take no room`],
    ['Stores', summary.stores.map(safe).join(' ') || 'none named'],
    ['Metadata', Object.keys(summary.metadata).map(safe).join(' ') || 'none'],
  ];
  if (summary.lostChunks > 0) rows.splice(-2, 0, ['Lost', `${summary.lostChunks} chunks`]);
  return rows.map(([title, text]) => `${title.padEnd(13)}${text}\n`).join('');
}
