/** `g8ufs flist convert`: a flist in the form of another generation. */
import { Command, Option } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Compatibility, ConvertSummary, ConvertTarget } from '../../../image/convert.ts';
import type { LoadedFlist } from '../../../image/load.ts';
import type { Context } from '../../context.ts';
import { repeated } from '../../create-flags.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly compat: Compatibility;
  readonly store?: string;
  readonly from: readonly string[];
  readonly recompress?: boolean;
  readonly level?: string;
  readonly strict?: boolean;
}

export function command(context: Context): Command {
  const convert = new Command('convert')
    .description('write a flist in the form of another generation, or one of those in ours')
    .argument('<flist>', 'flist file or URL, of any generation')
    .argument('<output>', 'file to write')
    .addOption(
      new Option('--compat <whom>', 'who is to read it: zflist and 0-fs, tools of 2017, or only we')
        .choices(['zflist', 'g1', 'none'])
        .default('none'),
    )
    .option(
      '-s, --store <url>',
      'where new chunks go: http(s)://… or dir:///path (default: G8UFS_STORE)',
    )
    .option(
      '--from <url>',
      'where chunks are, after the stores the flist names and --store (repeatable)',
      repeated,
      [],
    )
    .option('--recompress', 'with --compat none: pack contents anew with zstd')
    .option('--level <number>', 'zstd level, 1 to 19 (default: 3)')
    .option('--strict', 'fail when the form cannot say all that the flist does')
    .action((flist: string, output: string, flags: Flags) => run(context, flist, output, flags));
  return addHelpSections(convert, {
    notes: [
      'For zflist and g1 every content is read, verified and packed anew in chunks of that form, 512 KiB each; all of them are in --store afterwards. What the form cannot say is told on stderr, and in the JSON as lost. Without --recompress, --compat none keeps the chunks that contents have, of any generation.',
    ],
    examples: [
      ['flist convert web.flist old.flist --compat zflist -s dir:///srv/legacy', 'for zflist'],
      [
        'flist convert old.flist new.flist --recompress -s http://hub:8080 --from dir:///srv/legacy',
        'and back',
      ],
    ],
    settings: ['stores', 'level'],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, source: string, output: string, flags: Flags): Promise<void> {
  const { loadFlist } = await import('../../../image/load.ts');
  const { addon } = await import('../../../native/load.ts');
  const { compat } = flags;
  const needsStore = compat !== 'none' || flags.recompress === true;
  if (flags.recompress === true && compat !== 'none') {
    throw new G8Error('ERR_USAGE', '--recompress is for --compat none: others always pack anew');
  }
  const tmpDir = context.env['TMPDIR'] || undefined;
  const codec = addon();
  const flist = await loadFlist(source, { codec, tmpDir, signal: context.signal });
  const summary = needsStore
    ? await withTarget(context, flist, flags, (target) =>
        converted(context, flist, output, flags, target),
      )
    : await converted(context, flist, output, flags, undefined);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, { output, compat, ...summary });
    return;
  }
  const { noteLosses } = await import('../../edit-access.ts');
  noteLosses(context, summary.lost);
  await report(context, output, summary);
}

/** Opens the store for new chunks, and those for old ones when they are asked for. */
async function withTarget<T>(
  context: Context,
  flist: LoadedFlist,
  flags: Flags,
  use: (target: ConvertTarget) => Promise<T>,
): Promise<T> {
  const { loadConfig } = await import('../../../config/config.ts');
  const { openStore } = await import('../../../store/open.ts');
  const { publicUrl } = await import('../../../image/router.ts');
  const { openImageStores } = await import('../../store-access.ts');
  const config = await loadConfig(context.env, { stores: flags.store });
  const [url] = config.get('stores');
  if (url === undefined) throw new G8Error('ERR_USAGE', 'Give a store for the chunks with --store');
  const store = openStore(url);
  const opened: { close(): Promise<void> }[] = [store];
  const openSource = async () => {
    const stores = await openImageStores([flist], [url, ...flags.from]);
    opened.push(stores);
    return stores;
  };
  try {
    return await use({ store, route: publicUrl(url), openStore: openSource });
  } finally {
    for (const one of opened) await one.close();
  }
}

async function converted(
  context: Context,
  flist: LoadedFlist,
  output: string,
  flags: Flags,
  target: ConvertTarget | undefined,
): Promise<ConvertSummary> {
  const { loadConfig } = await import('../../../config/config.ts');
  const { convertFlist } = await import('../../../image/convert.ts');
  const { createProgress } = await import('../../../image/create-progress.ts');
  const { addon } = await import('../../../native/load.ts');
  const { counterOf } = await import('../../create-access.ts');
  const { showProgress } = await import('../../ui/progress.ts');
  const config = await loadConfig(context.env, { level: flags.level });
  const { compat, strict } = flags;
  const level = config.get('level');
  const progress = createProgress();
  const view = await showProgress(context, counterOf(progress));
  const { signal } = context;
  const options = { flist, output, compat, target, strict, level, progress, signal };
  try {
    return await convertFlist({ ...options, addon: addon() });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new G8Error('ERR_USAGE', error.message, { cause: error });
  } finally {
    view.stop();
  }
}

async function report(context: Context, output: string, summary: ConvertSummary): Promise<void> {
  if (context.quiet) return;
  const { formatSize } = await import('../../../base/bytes.ts');
  const { escapeName } = await import('../../../base/name-text.ts');
  const { writeAll } = await import('../../ui/output.ts');
  const { flistSize, chunks, storedBytes = 0, newChunks, uploadedBytes = 0 } = summary;
  const rows = [
    ['Flist', `${escapeName(Buffer.from(output))}, ${formatSize(flistSize)}`],
    ...(chunks === undefined ? [] : [['Chunks', `${chunks} with ${formatSize(storedBytes)}`]]),
    ...(newChunks === undefined
      ? []
      : [['Uploaded', `${newChunks} with ${formatSize(uploadedBytes)}`]]),
  ];
  const text = rows.map(([title, value]) => `${title?.padEnd(13)}${value}\n`).join('');
  await writeAll(context.stdout, text, context.signal);
}
