/** `g8ufs flist du`: what folders of an image take, in files and in stores. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Image } from '../../../image/open.ts';
import type { UsageOptions, UsageRow } from '../../../image/usage.ts';
import type { Context } from '../../context.ts';
import { repeated } from '../../create-flags.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly all?: boolean;
  readonly maxDepth?: string;
  readonly summarize?: boolean;
  readonly humanReadable?: boolean;
  readonly against: readonly string[];
}

/** Images that are opened at the same time; each has a folder in the temporary one. */
const AGAINST_MAX = 64;

export function command(context: Context): Command {
  const du = new Command('du')
    .description('show what folders of a flist take, and how much of it they share')
    .argument('<flist>', 'flist file or URL')
    .argument('[path...]', 'folders or files in it (default: /)')
    .option('-a, --all', 'files as well')
    .option('-d, --max-depth <number>', 'folders down to this depth')
    .option('-s, --summarize', 'the named paths only: the same as -d 0')
    .option('-h, --human-readable', 'sizes with units')
    .option('--against <flist>', 'what another flist has is not unique (repeatable)', repeated, [])
    .action((flist: string, paths: string[], flags: Flags) => run(context, flist, paths, flags));
  return addHelpSections(du, {
    notes: [
      'Columns: bytes of files outside holes; stored bytes of the different chunks; of these, what nothing outside the path refers to; with --against, what the other flists have too; the path. Several names of a file count once.',
    ],
    examples: [
      ['flist du -h -d 1 debian.flist', 'the top folders'],
      ['flist du -s new.flist --against old.flist', 'what the new one adds to the stores'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_IO',
      'ERR_TIMEOUT',
    ],
  });
}

async function run(
  context: Context,
  flist: string,
  paths: readonly string[],
  flags: Flags,
): Promise<void> {
  const depthMax = parseDepth(flags);
  if (flags.against.length > AGAINST_MAX) {
    throw new G8Error('ERR_USAGE', `--against can be given at most ${AGAINST_MAX} times`);
  }
  const { withImage, withImages } = await import('../../image-access.ts');
  await withImages(context, flags.against, (against) =>
    withImage(context, flist, (image) => {
      const { signal } = context;
      const options = { against, depthMax, withFiles: flags.all === true, signal };
      return print(context, image, paths.length === 0 ? ['/'] : paths, options, flags);
    }),
  );
}

function parseDepth({ maxDepth, summarize }: Flags): number | undefined {
  if (summarize === true) {
    if (maxDepth !== undefined && maxDepth !== '0') {
      throw new G8Error('ERR_USAGE', '--summarize and --max-depth contradict each other');
    }
    return 0;
  }
  if (maxDepth === undefined) return undefined;
  if (!/^\d{1,9}$/.test(maxDepth)) {
    throw new G8Error('ERR_USAGE', `--max-depth is '${maxDepth}', not a number`);
  }
  return Number(maxDepth);
}

async function print(
  context: Context,
  image: Image,
  paths: readonly string[],
  options: UsageOptions,
  flags: Flags,
): Promise<void> {
  const { findEntry } = await import('../../image-access.ts');
  const { imageUsage } = await import('../../../image/usage.ts');
  const { Output } = await import('../../ui/output.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  const { jsonName, printableName } = await import('../../../base/name-text.ts');
  const output = new Output(context);
  const isTerminal = context.stdout.isTTY === true;
  const hasShared = flags.against.length > 0;
  const columns = await createColumns(flags.humanReadable === true, hasShared);
  const tops = paths.map((path) => {
    const top = findEntry(image, path, { followLast: true });
    return { nid: top.inode.nid, path: top.path };
  });
  if (isTerminal && !context.json) await output.line(columns.header);
  for await (const row of imageUsage(image, tops, options)) {
    const { path, depth: _depth, shared, ...usage } = row;
    if (context.json) {
      const line = { ...jsonName('path', path), ...usage, ...(hasShared && { shared }) };
      await output.write(jsonLine(line));
    } else {
      await output.write(columns.line(row));
      await output.write(printableName(path, isTerminal));
      await output.write('\n');
    }
  }
  await output.flush();
}

async function createColumns(isHuman: boolean, hasShared: boolean) {
  const { formatSize } = await import('../../../base/bytes.ts');
  const titles = ['SIZE', 'STORED', 'UNIQUE', ...(hasShared ? ['SHARED'] : [])];
  const width = isHuman ? 9 : 13;
  const cells = (values: readonly string[]): string =>
    values.map((value) => value.padStart(width)).join(' ');
  const show = (value: number): string => (isHuman ? formatSize(value) : String(value));
  return {
    header: `${cells(titles)}  PATH`,
    line: ({ size, stored, unique, shared }: UsageRow): string => {
      const values = [size, stored, unique, ...(hasShared ? [shared] : [])];
      return `${cells(values.map(show))}  `;
    },
  };
}
