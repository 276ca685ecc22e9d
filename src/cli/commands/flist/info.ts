/** `g8ufs flist info`: what a flist is, in numbers. */
import { Command } from 'commander';
import { plural } from '../../../base/plural.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

/** Longer values are cut: a readme has its own command. */
const VALUE_LENGTH_MAX = 100;

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
  const { escapeName } = await import('../../../base/name-text.ts');
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
      `${summary.entries}: ${plural(directories, 'directory', 'directories')}, ${plural(files, 'file')}, ${plural(symlinks, 'symlink')}, ${specials} special`,
    ],
    ...(summary.hardLinks > 0
      ? [['Hard links', String(summary.hardLinks)] as [string, string]]
      : []),
    ['File bytes', `${formatSize(summary.bytes)} (${summary.bytes})`],
    ['Contents', `${summary.contents}, ${formatSize(summary.contentBytes)}`],
    ['Chunks', `${summary.chunks}, ${stored}`],
    ...ratiosOf(summary),
    ['Holes', `${formatSize(summary.holeBytes)} that take no room`],
    ['Stores', summary.stores.map(safe).join(' ') || 'none named'],
    ...metadataRows(summary.metadata, safe),
  ];
  if (summary.lostChunks > 0) rows.push(['Lost', plural(summary.lostChunks, 'chunk')]);
  return rows.map(([title, text]) => `${title.padEnd(13)}${text}\n`).join('');
}

/** How much smaller than its files an image is, and by what: `3.1 times`. */
function ratiosOf(summary: Summary): [string, string][] {
  const { bytes, contentBytes, holeBytes, storedBytes } = summary;
  const ratio = (large: number, small: number): string => `${(large / small).toFixed(2)} times`;
  const rows: [string, string][] = [];
  if (contentBytes > 0) rows.push(['Shared', `${ratio(bytes, contentBytes)} by equal files`]);
  if (storedBytes > 0) {
    rows.push(['Compressed', `${ratio(contentBytes - holeBytes, storedBytes)} with equal chunks`]);
  }
  return rows;
}

/** A line for each setting, cut to what fits one. */
function metadataRows(
  metadata: Summary['metadata'],
  safe: (text: string) => string,
): [string, string][] {
  const entries = Object.entries(metadata);
  if (entries.length === 0) return [['Metadata', 'none']];
  return entries.map(([key, value], i) => {
    const text = value.length > VALUE_LENGTH_MAX ? `${value.slice(0, VALUE_LENGTH_MAX)}…` : value;
    return [i === 0 ? 'Metadata' : '', `${safe(key)} = ${safe(text)}`];
  });
}
