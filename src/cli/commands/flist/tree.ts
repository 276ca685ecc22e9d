/** `g8ufs flist tree`: folders of an image drawn as a tree, as tree(1) draws them. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import { plural } from '../../../base/plural.ts';
import type { IndexEntry } from '../../../format/index/reader.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import type { Output } from '../../ui/output.ts';

interface Flags {
  readonly level?: string;
  readonly dirs?: boolean;
}

interface Lines {
  readonly next: string;
  readonly last: string;
  readonly through: string;
}

const UNICODE: Lines = { next: '├── ', last: '└── ', through: '│   ' };
const ASCII: Lines = { next: '|-- ', last: '`-- ', through: '|   ' };
const BLANK = '    ';
/** Entries between two looks at the signal. */
const CHECK_INTERVAL = 4096;

export function command(context: Context): Command {
  const tree = new Command('tree')
    .description('draw a folder of a flist and all below it as a tree')
    .argument('<flist>', 'flist file or URL')
    .argument('[path]', 'folder in it', '/')
    .option('-L, --level <number>', 'go down at most so many levels')
    .option('-d, --dirs', 'folders only')
    .action((flist: string, path: string, flags: Flags) => run(context, flist, path, flags));
  return addHelpSections(tree, {
    examples: [
      ['flist tree -L 2 debian.flist', 'the two upper levels'],
      ['flist tree --json debian.flist /etc', 'one JSON object per line, each with its depth'],
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

async function run(context: Context, flist: string, path: string, flags: Flags): Promise<void> {
  const depthMax = parseLevel(flags.level);
  const { withImage, findEntry } = await import('../../image-access.ts');
  const { Output: OutputClass } = await import('../../ui/output.ts');
  await withImage(context, flist, async (image) => {
    const output = new OutputClass(context);
    const { path: top, inode } = findEntry(image, path, { followLast: true });
    const start = { nid: inode.nid, path: top };
    const isShown = ({ type }: Pick<IndexEntry, 'type'>): boolean =>
      flags.dirs !== true || type === 'directory';
    if (context.json) await printJsonLines(context, image, output, start, depthMax, isShown);
    else await draw(context, image, output, start, depthMax, isShown);
    await output.flush();
  });
}

function parseLevel(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const level = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (level < 1) throw new G8Error('ERR_USAGE', `--level is '${text}', not a number from 1 on`);
  return level;
}

interface Start {
  readonly nid: number;
  readonly path: Uint8Array;
}

type IsShown = (entry: Pick<IndexEntry, 'type'>) => boolean;

async function printJsonLines(
  context: Context,
  image: Image,
  output: Output,
  start: Start,
  depthMax: number,
  isShown: IsShown,
): Promise<void> {
  const { checkpoint } = await import('../../../base/abort.ts');
  const { entryJson } = await import('../../ui/entry.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  let count = 0;
  for (const entry of image.index.walk(start)) {
    if (++count % CHECK_INTERVAL === 0) await checkpoint(context.signal);
    if (entry.depth >= depthMax) entry.skip();
    if (!isShown(entry)) continue;
    const { depth, inode } = entry;
    await output.write(jsonLine({ depth, ...entryJson(image, entry.path(), inode) }));
  }
}

/** A folder that is being drawn; `next` is known so that the last entry can be told from the others. */
interface Level {
  readonly entries: Iterator<IndexEntry>;
  next: IndexEntry | undefined;
  /** Drawn before each line below this folder. */
  readonly prefix: string;
}

async function draw(
  context: Context,
  image: Image,
  output: Output,
  start: Start,
  depthMax: number,
  isShown: IsShown,
): Promise<void> {
  const { checkpoint } = await import('../../../base/abort.ts');
  const { printableName } = await import('../../../base/name-text.ts');
  const { malformedTree } = await import('../../../image/malformed.ts');
  const lines = isUnicode(context.env) ? UNICODE : ASCII;
  const show = await createNames(context, image);
  const seen = new Set<number>();
  const counts = { directories: 0, files: 0 };
  const pull = (entries: Iterator<IndexEntry>): IndexEntry | undefined => {
    for (let step = entries.next(); !step.done; step = entries.next()) {
      if (isShown(step.value)) return step.value;
    }
    return undefined;
  };
  const levels: Level[] = [];
  const enter = (nid: number, prefix: string): void => {
    // A sound image has no folder with two names; a hostile one must not keep us here for ever.
    if (seen.has(nid)) throw malformedTree('a directory has two names');
    seen.add(nid);
    const entries = image.index.readdir(nid);
    levels.push({ entries, next: pull(entries), prefix });
  };
  await output.write(printableName(start.path, context.stdout.isTTY === true));
  await output.write('\n');
  if (image.index.inode(start.nid).type === 'directory') enter(start.nid, '');
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const entry = level.next;
    if (entry === undefined) {
      levels.pop();
      continue;
    }
    level.next = pull(level.entries);
    const isLast = level.next === undefined;
    await output.write(level.prefix + (isLast ? lines.last : lines.next));
    for (const part of show(entry)) await output.write(part);
    await output.write('\n');
    const isDirectory = entry.type === 'directory';
    counts[isDirectory ? 'directories' : 'files']++;
    if ((counts.directories + counts.files) % CHECK_INTERVAL === 0) {
      await checkpoint(context.signal);
    }
    if (isDirectory && levels.length < depthMax) {
      enter(entry.nid, level.prefix + (isLast ? BLANK : lines.through));
    }
  }
  const { directories, files } = counts;
  const folders = plural(directories, 'directory', 'directories');
  await output.write(`\n${folders}, ${plural(files, 'file')}\n`);
}

async function createNames(context: Context, image: Image) {
  const { printableName } = await import('../../../base/name-text.ts');
  const { paintName } = await import('../../ui/entry.ts');
  const escaped = context.stdout.isTTY === true;
  return (entry: IndexEntry): (string | Uint8Array)[] => {
    const text = printableName(entry.name, escaped);
    const shown = typeof text === 'string' ? paintName(text, entry.type, context.color) : text;
    if (entry.type !== 'symlink') return [shown];
    return [shown, ' -> ', printableName(image.index.readlink(entry.nid), escaped)];
  };
}

/** As tree(1): the lines are what the locale can show. */
function isUnicode(env: Context['env']): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return /utf-?8/i.test(locale);
}
