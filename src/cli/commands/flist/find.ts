/** `g8ufs flist find`: paths of an image by find(1)'s predicates. */
import { Command } from 'commander';
import type { FoundMatch } from '../../../image/find/search.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

/**
 * The predicates are options for help pages and completion only: their order matters, so they are taken from
 * the words themselves.
 */
class FindCommand extends Command {
  override parseOptions(words: string[]): { operands: string[]; unknown: string[] } {
    if (words.includes('--help')) return { operands: [], unknown: ['--help'] };
    return { operands: words, unknown: [] };
  }
}

export function command(context: Context): Command {
  const find = new FindCommand('find')
    .description('list the paths of a flist that match, by the predicates of find(1)')
    .usage('[options] <flist> [path...] [predicates]')
    .argument('<flist>', 'flist file or URL')
    .argument('[path...]', 'where to begin, then predicates (default: /)')
    .option('--name <pattern>', 'names that match a shell pattern')
    .option('--iname <pattern>', 'the same whatever the case')
    .option('--path <pattern>', 'whole paths that match a shell pattern; * crosses slashes')
    .option('--ipath <pattern>', 'the same whatever the case')
    .option('--regex <expression>', 'whole paths that match a JavaScript regular expression')
    .option('--iregex <expression>', 'the same whatever the case')
    .option('--type <letter>', 'of a type, or one of several with commas: f d l c b p s')
    .option('--size <size>', 'size [+-]N[cwbkMG], rounded up; blocks of 512 bytes without a unit')
    .option('--empty', 'files without bytes and folders without entries')
    .option('--mtime <days>', 'changed [+-]N whole days ago')
    .option('--mmin <minutes>', 'changed [+-]N minutes ago')
    .option('--newer-than <time>', 'changed after an ISO 8601 time')
    .option('--perm <mode>', 'permissions: MODE exactly, -MODE all of them, /MODE any of them')
    .option('--uid <number>', 'owner [+-]N')
    .option('--gid <number>', 'group [+-]N')
    .option('--links <number>', 'names [+-]N')
    .option('--inum <number>', 'inode number [+-]N')
    .option('--xattr <pattern>', 'with an extended attribute whose name matches')
    .option('--mindepth <number>', 'leave out what is less deep')
    .option('--maxdepth <number>', 'leave out what is deeper')
    .option('--not', 'negate the next predicate; ! too')
    .option('--or', 'either side; without it all must match, and ( ) group')
    .option('--prune', 'do not look into this folder')
    .option('--quit', 'end here')
    .option('--print', 'print the path: what happens to a match anyway')
    .option('-0, --print0', 'print the path with a NUL byte instead of a newline')
    .option('--ls', 'print a long line')
    .action((flist: string, words: string[]) => run(context, flist, words));
  return addHelpSections(find, {
    notes: [
      'Predicates may be written with one dash or two. A path is matched from the root of the image, beginning with a slash.',
    ],
    examples: [
      ["flist find debian.flist /usr --name '*.so*' --type f", 'all shared libraries'],
      ['flist find debian.flist -perm /6000 -ls', 'what runs as somebody else'],
      [
        'flist find debian.flist / -path /proc -prune -o -type f -size +10M -print',
        'large files, but not below /proc',
      ],
      ['flist find debian.flist --type l --json', 'all links, one JSON object per line'],
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

async function run(context: Context, flist: string, words: readonly string[]): Promise<void> {
  const { compileFind, isExpressionWord } = await import('../../../image/find/expression.ts');
  const { searchImage } = await import('../../../image/find/search.ts');
  const { withImage, findEntry } = await import('../../image-access.ts');
  const { Output } = await import('../../ui/output.ts');
  const first = words.findIndex(isExpressionWord);
  const starts = first === -1 ? words : words.slice(0, first);
  const expression = compileFind(first === -1 ? [] : words.slice(first));
  await withImage(context, flist, async (image) => {
    const output = new Output(context);
    const print = await createPrinter(context, image, output);
    const tops = (starts.length === 0 ? ['/'] : starts).map((path) => {
      const top = findEntry(image, path, { followLast: false });
      return { nid: top.inode.nid, path: top.path };
    });
    for await (const match of searchImage(image, tops, expression, context.signal)) {
      await print(match);
    }
    await output.flush();
  });
}

async function createPrinter(
  context: Context,
  image: Image,
  output: import('../../ui/output.ts').Output,
): Promise<(match: FoundMatch) => Promise<void>> {
  const { entryJson } = await import('../../ui/entry.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  const { longLine } = await import('../../ui/long-line.ts');
  const { printableName } = await import('../../../base/name-text.ts');
  const isTerminal = context.stdout.isTTY === true;
  return async ({ entry, outputs }) => {
    const path = entry.path();
    if (context.json) {
      await output.write(jsonLine(entryJson(image, path, entry.inode)));
      return;
    }
    for (const kind of outputs) {
      if (kind === 'ls') await output.write(longLine(image, path, entry.inode, isTerminal));
      else {
        await output.write(printableName(path, isTerminal && kind === 'print'));
        await output.write(kind === 'print' ? '\n' : '\0');
      }
    }
  };
}
