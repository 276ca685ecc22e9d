/** `g8ufs flist diff`: in what two images differ, and what the second one needs that the first has not. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import { plural } from '../../../base/plural.ts';
import type { DiffField } from '../../../image/compare.ts';
import type { Change, DiffSummary, ImageDiff } from '../../../image/diff.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import type { Output } from '../../ui/output.ts';

interface Flags {
  readonly summary?: boolean;
  readonly ignore?: string;
}

/** As diff(1). */
const DIFFERENT = 1;
const TROUBLE = 2;

export function command(context: Context): Command {
  const diff = new Command('diff')
    .description('compare two flists: entries, attributes, contents, chunks to fetch')
    .argument('<flist>', 'flist file or URL')
    .argument('<flist>', 'the one that is compared with it')
    .argument('[path]', 'compare below this path only')
    .option('--summary', 'the numbers only')
    .option('--ignore <fields>', 'do not tell about these, separated by commas')
    .action((a: string, b: string, path: string | undefined, flags: Flags) =>
      run(context, a, b, path, flags),
    );
  return addHelpSections(diff, {
    notes: [
      'Lines begin with + for an entry that only the second flist has, - for one that only the first has, ~ for one that differs. Fields are type, mode, owner, mtime, size, content, target, device, links and xattrs. Contents are compared by their digests: the same bytes in chunks of another size are another content. With -q nothing is printed and the first difference ends the comparison.',
    ],
    examples: [
      ['flist diff old.flist new.flist', 'everything that has changed'],
      ['flist diff --ignore mtime,owner old.flist new.flist /etc', 'in one folder, but for times'],
      [
        'flist diff --summary old.flist http://127.0.0.1:8080/demo/new.flist',
        'what an update takes',
      ],
    ],
    results: [
      [DIFFERENT, 'they differ'],
      [TROUBLE, 'trouble of any kind, as with diff(1)'],
    ],
    failureExitCode: TROUBLE,
  });
}

async function run(
  context: Context,
  a: string,
  b: string,
  path: string | undefined,
  flags: Flags,
): Promise<void> {
  const { withImage } = await import('../../image-access.ts');
  const { ImageDiff: ImageDiffClass } = await import('../../../image/diff.ts');
  const ignored = await parseFields(flags.ignore);
  await withImage(context, a, (one) =>
    withImage(context, b, async (two) => {
      const start = path === undefined ? undefined : await commonPath(one, two, path);
      const { signal } = context;
      const diff = new ImageDiffClass(one, two, { path: start, ignored, signal });
      if (await report(context, one, two, diff, flags)) context.setExitCode(DIFFERENT);
    }),
  );
}

async function parseFields(text: string | undefined): Promise<Set<DiffField>> {
  const { DIFF_FIELDS } = await import('../../../image/compare.ts');
  const words = text === undefined ? [] : text.split(',');
  const wrong = words.find((word) => !(DIFF_FIELDS as readonly string[]).includes(word));
  if (wrong !== undefined) {
    throw new G8Error('ERR_USAGE', `--ignore names '${wrong}', not ${DIFF_FIELDS.join(', ')}`);
  }
  return new Set(words as DiffField[]);
}

/** A path as both have it, without links; one that only one has is a difference. */
async function commonPath(one: Image, two: Image, path: string): Promise<Uint8Array> {
  const { resolvePath } = await import('../../../image/resolve.ts');
  const bytes = Buffer.from(path);
  const found = [one, two].map(({ index }) => resolvePath(index, bytes, { followLast: false }));
  const [first] = found.flatMap((place) => (place === undefined ? [] : [place.path]));
  if (first !== undefined) return first;
  throw new G8Error('ERR_NO_INPUT', `${path} is neither in ${one.source} nor in ${two.source}`);
}

/** @returns whether they differ */
async function report(
  context: Context,
  one: Image,
  two: Image,
  diff: ImageDiff,
  flags: Flags,
): Promise<boolean> {
  const { Output: OutputClass } = await import('../../ui/output.ts');
  const output = new OutputClass(context);
  const print = await createPrinter(context, one, two, output);
  let isDifferent = false;
  for await (const change of diff.changes()) {
    isDifferent = true;
    if (context.quiet) return true;
    if (flags.summary !== true) await print(change);
  }
  if (context.quiet) return isDifferent;
  if (context.json) {
    const { jsonLine } = await import('../../ui/json.ts');
    await output.write(jsonLine({ summary: diff.summary }));
  } else if (isDifferent || flags.summary === true) {
    if (flags.summary !== true) await output.line('');
    await output.write(await describe(diff.summary));
  }
  await output.flush();
  return isDifferent;
}

async function createPrinter(context: Context, one: Image, two: Image, output: Output) {
  const { entryJson } = await import('../../ui/entry.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  const { escapeName, jsonName, printableName } = await import('../../../base/name-text.ts');
  const { paint } = await import('../../ui/color.ts');
  const { describeDifferences } = await import('../../ui/differences.ts');
  const isTerminal = context.stdout.isTTY === true;
  const toJson = (change: Change): object => {
    const { kind, path } = change;
    if (change.kind !== 'changed') {
      return {
        change: kind,
        ...entryJson(change.kind === 'added' ? two : one, path, change.inode),
      };
    }
    const { before, after, differences } = change;
    return {
      change: kind,
      ...jsonName('path', path),
      fields: differences.fields,
      ...(differences.xattrs.length > 0 && { xattrs: differences.xattrs.map(escapeName) }),
      before: entryJson(one, path, before),
      after: entryJson(two, path, after),
    };
  };
  return async (change: Change): Promise<void> => {
    if (context.json) {
      await output.write(jsonLine(toJson(change)));
      return;
    }
    const { sign, style } = SIGNS[change.kind];
    await output.write(`${paint(style, sign, context.color)} `);
    const name = printableName(change.path, isTerminal);
    await output.write(typeof name === 'string' ? paint(style, name, context.color) : name);
    if (change.kind === 'changed') {
      await output.write(`  (${describeDifferences(one, two, change).join(', ')})`);
    }
    await output.write('\n');
  };
}

const SIGNS = {
  added: { sign: '+', style: 'green' },
  removed: { sign: '-', style: 'red' },
  changed: { sign: '~', style: 'yellow' },
} as const;

async function describe(summary: DiffSummary): Promise<string> {
  const { formatSize } = await import('../../../base/bytes.ts');
  const { added, removed, changed, same } = summary;
  const rows = [
    ['Entries', `${added} added, ${removed} removed, ${changed} changed, ${same} the same`],
    ['Files', `${formatSize(summary.newBytes)} new, ${formatSize(summary.oldBytes)} gone`],
    ['To fetch', `${plural(summary.chunks, 'chunk')}, ${formatSize(summary.chunkBytes)} stored`],
  ];
  return rows.map(([title, text]) => `${title?.padEnd(10)}${text}\n`).join('');
}
