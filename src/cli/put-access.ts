/** What the commands that bring files of this machine into a flist share: the store, progress, attributes. */
import type { Command } from 'commander';
import { G8Error } from '../base/errors.ts';
import type { EditableFlist } from '../image/edit-flist.ts';
import type { ImageSource, SourceTree } from '../image/source/source.ts';
import type { Context } from './context.ts';
import { type EditFlags, now, parseId } from './edit-access.ts';

export interface PutFlags extends EditFlags {
  readonly store?: string;
  readonly blockSize?: string;
  readonly level?: string;
  readonly owner?: string;
  readonly mtime?: string;
}

export function addPutFlags(command: Command): Command {
  return command
    .option(
      '-s, --store <url>',
      'where chunks go: http(s)://… or dir:///path (default: G8UFS_STORE)',
    )
    .option('--block-size <size>', 'size of chunks, a power of two (default: 512KiB)')
    .option('--level <number>', 'zstd level, 1 to 19 (default: 3)')
    .option('--owner <uid:gid>', 'record this owner')
    .option('--mtime <time>', 'record this time: seconds since 1970, or ISO 8601');
}

/** What flags say of all that is brought in. */
export function overridesOf(flags: PutFlags) {
  return {
    owner: flags.owner === undefined ? undefined : parseOwner(flags.owner),
    mtimeSeconds: flags.mtime === undefined ? undefined : parseTime(flags.mtime),
  };
}

/**
 * Reads a source; its contents are in the store afterwards, in chunks that the flist's readers know, and
 * the flist names the store to them if it can be named.
 *
 * @param open opens the source; it gets the folder of a local store, which must not grow into an image
 * @throws ERR_USAGE without a store, or for values out of range
 */
export async function takeIn(
  context: Context,
  flist: EditableFlist,
  flags: PutFlags & { readonly exclude?: readonly string[] },
  open: (storeFolder: string | undefined) => Promise<ImageSource>,
): Promise<SourceTree> {
  const { loadConfig } = await import('../config/config.ts');
  const { store: stores, blockSize, level } = flags;
  const config = await loadConfig(context.env, { stores, blockSize, level });
  const [url] = config.get('stores');
  if (url === undefined) throw new G8Error('ERR_USAGE', 'Give a store for the chunks with --store');
  const { openStore } = await import('../store/open.ts');
  const store = openStore(url);
  const folder = store.name.startsWith('dir://') ? store.name.slice('dir://'.length) : undefined;
  try {
    const source = await open(folder);
    try {
      const tree = await load(context, flist, source, {
        store,
        blockSize: config.get('blockSize'),
        level: config.get('level'),
        exclude: flags.exclude,
      });
      await nameStore(flist, url);
      return tree;
    } finally {
      await source.close();
    }
  } finally {
    await store.close();
  }
}

type Loading = Pick<
  import('../image/create.ts').LoadSourceOptions,
  'store' | 'blockSize' | 'level' | 'exclude'
>;

async function load(
  context: Context,
  flist: EditableFlist,
  source: ImageSource,
  options: Loading,
): Promise<SourceTree> {
  const { checkNumbers, loadSource } = await import('../image/create.ts');
  const { createProgress } = await import('../image/create-progress.ts');
  const { BLOCK_SIZE_DEFAULT } = await import('../format/content.ts');
  const { CODEC } = await import('../base/codec.ts');
  const { addon } = await import('../native/load.ts');
  const { showProgress } = await import('./ui/progress.ts');
  const { counterOf } = await import('./create-access.ts');
  const progress = createProgress();
  const view = await showProgress(context, counterOf(progress));
  // zflist knows one kind of chunks and one size.
  const codec =
    flist.kind === 'zflist'
      ? { chunkCodec: CODEC.legacyG2, blockSize: BLOCK_SIZE_DEFAULT }
      : { blockSize: options.blockSize };
  const loading = { ...options, ...codec, addon: addon(), signal: context.signal };
  try {
    checkNumbers(loading);
    return await loadSource(source, loading, progress);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new G8Error('ERR_USAGE', error.message, { cause: error });
  } finally {
    view.stop();
  }
}

async function nameStore(flist: EditableFlist, url: string): Promise<void> {
  const { publicUrl } = await import('../image/router.ts');
  const { withRoute } = await import('../image/combine-routers.ts');
  const route = publicUrl(url);
  if (route !== undefined) flist.router = withRoute(flist.router, route, flist.source);
}

/** Attributes of a file that comes without any. */
export function anonymous(context: Context) {
  return { uid: 0, gid: 0, ...now(context) };
}

function parseOwner(text: string): { uid: number; gid: number } {
  const match = /^(\d+):(\d+)$/.exec(text);
  if (match === null) throw new G8Error('ERR_USAGE', `--owner is '${text}', not UID:GID`);
  return { uid: parseId(match[1] as string, 'User'), gid: parseId(match[2] as string, 'Group') };
}

function parseTime(text: string): number {
  const seconds = /^-?\d{1,12}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000);
  if (!Number.isSafeInteger(seconds)) {
    throw new G8Error('ERR_USAGE', `--mtime is '${text}', not seconds or an ISO 8601 time`);
  }
  return seconds;
}
