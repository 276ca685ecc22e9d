/** What `flist create` and `flist build` share: flags, the store, progress, the report, publishing. */
import { G8Error } from '../base/errors.ts';
import { plural } from '../base/plural.ts';
import type { Config } from '../config/config.ts';
import type { CreateOptions, CreateSummary } from '../image/create.ts';
import type { CreateProgress } from '../image/create-progress.ts';
import type { OpenSourceOptions } from '../image/source/open.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import type { HubFlist } from './hub-access.ts';
import type { ProgressCounter } from './ui/progress.ts';

/** Flags of both commands. */
export interface CreateFlags {
  readonly store?: string;
  readonly route?: string;
  readonly blockSize?: string;
  readonly level?: string;
  readonly compress: 'gzip' | 'zstd' | 'none';
  readonly publish?: string;
}

/** Settings that the flags override. */
export async function loadCreateConfig(context: Context, flags: CreateFlags): Promise<Config> {
  const { loadConfig } = await import('../config/config.ts');
  const { store, blockSize, level } = flags;
  return loadConfig(context.env, { stores: store, blockSize, level });
}

/** What a command knows of the image it makes, besides the shared flags. */
export type ImageOptions = Pick<CreateOptions, 'exclude' | 'owner' | 'mtimeSeconds' | 'metadata'> &
  Pick<OpenSourceOptions, 'oneFileSystem' | 'parent' | 'oci'> & {
    /** As the user names it. */
    readonly source: string;
    /** Stores of a flist that is the source, after those that it names. */
    readonly sourceStores?: readonly string[] | undefined;
  };

/**
 * Creates the flist, publishes it when asked to, and prints the summary.
 *
 * @throws ERR_USAGE without a store, or for values out of range
 */
export async function createAndReport(
  context: Context,
  output: string,
  image: ImageOptions,
  flags: CreateFlags,
): Promise<void> {
  const config = await loadCreateConfig(context, flags);
  const [url] = config.get('stores');
  if (url === undefined) throw new G8Error('ERR_USAGE', 'Give a store for the chunks with --store');
  const target = flags.publish === undefined ? undefined : publishTarget(flags.publish, url);
  const { publicUrl } = await import('../image/router.ts');
  const route = flags.route === undefined ? publicUrl(url) : publicUrl(flags.route);
  if (flags.route !== undefined && route === undefined) {
    throw new G8Error('ERR_USAGE', '--route is not an http or https URL');
  }
  const summary = await createWithProgress(context, url, image, {
    output,
    route,
    blockSize: config.get('blockSize'),
    level: config.get('level'),
    compression: flags.compress,
    keepBlockSize: flags.blockSize === undefined,
  });
  const published =
    target === undefined
      ? undefined
      : await (await import('./publish.ts')).publishFlist(context, { source: output }, target);
  await report(context, output, summary, published?.url);
}

type FixedOptions = Pick<
  CreateOptions,
  'output' | 'route' | 'blockSize' | 'level' | 'compression'
> & { readonly keepBlockSize: boolean };

async function createWithProgress(
  context: Context,
  url: string,
  image: ImageOptions,
  options: FixedOptions,
): Promise<CreateSummary> {
  const { createFlist } = await import('../image/create.ts');
  const { createProgress } = await import('../image/create-progress.ts');
  const { openStore } = await import('../store/open.ts');
  const { addon } = await import('../native/load.ts');
  const { showProgress } = await import('./ui/progress.ts');
  const { source: name, exclude, owner, mtimeSeconds, metadata } = image;
  const { signal } = context;
  const progress = createProgress();
  const binding = addon();
  const { writeChunks, findChunks } = binding;
  const store = openStore(url, { writeChunks, findChunks });
  const view = await showProgress(context, counterOf(progress));
  const opened: ChunkStore[] = [];
  try {
    const { openSource } = await import('../image/source/open.ts');
    const source = await openSource(name, {
      codec: binding,
      stdin: () => context.stdin,
      openStore: async (flist) => {
        const { openImageStores } = await import('./store-access.ts');
        const stores = await openImageStores([flist], image.sourceStores ?? [], '--source-store');
        opened.push(stores);
        return stores;
      },
      keepBlockSize: options.keepBlockSize,
      // A store or a flist below the source would grow into its own image.
      excludedPaths: [
        options.output,
        ...(store.name.startsWith('dir://') ? [store.name.slice('dir://'.length)] : []),
      ],
      oneFileSystem: image.oneFileSystem,
      parent: image.parent,
      oci: { ...image.oci, env: context.env },
      tmpDir: context.env['TMPDIR'] || undefined,
      signal,
    });
    const making = {
      exclude,
      owner,
      mtimeSeconds,
      metadata,
      store,
      addon: binding,
      progress,
      signal,
    };
    return await createFlist({ ...options, ...making, source });
  } catch (error) {
    if (error instanceof RangeError)
      throw new G8Error('ERR_USAGE', error.message, { cause: error });
    throw error;
  } finally {
    view.stop();
    for (const stores of [store, ...opened]) await stores.close();
  }
}

const LABELS = {
  fetching: 'Downloading layers',
  walking: 'Reading names',
  storing: 'Storing contents',
  writing: 'Writing',
};

/** The run's counters as the progress view wants them. */
export function counterOf(progress: CreateProgress): ProgressCounter {
  const isWalking = (): boolean => progress.phase === 'walking';
  const isFetching = (): boolean => progress.phase === 'fetching';
  return {
    get label() {
      return LABELS[progress.phase];
    },
    get done() {
      if (isFetching()) return progress.position;
      return isWalking() ? progress.entries : progress.bytes;
    },
    get total() {
      if (isFetching()) return progress.positionTotal;
      return isWalking() ? 0 : progress.bytesTotal;
    },
    get share() {
      const { position, positionTotal } = progress;
      return positionTotal > 0 && progress.phase !== 'writing'
        ? Math.min(1, position / positionTotal)
        : undefined;
    },
    get unit() {
      return isWalking() ? ('entries' as const) : ('bytes' as const);
    },
  };
}

function publishTarget(publish: string, storeUrl: string): HubFlist {
  const match = /^([^/]+)\/([^/]+)$/.exec(publish);
  if (match === null) {
    throw new G8Error('ERR_USAGE', `--publish is '${publish}', not REPOSITORY/NAME`);
  }
  if (!/^https?:\/\//i.test(storeUrl)) {
    throw new G8Error('ERR_USAGE', '--publish needs a hub as the store');
  }
  const name = (match[2] as string).replace(/\.flist$/, '');
  return { hub: storeUrl, repository: match[1] as string, name };
}

async function report(
  context: Context,
  output: string,
  summary: CreateSummary,
  url: string | undefined,
): Promise<void> {
  if (context.json) {
    const { printJson } = await import('./ui/json.ts');
    await printJson(context, { output, ...summary, ...(url !== undefined && { url }) });
    return;
  }
  if (context.quiet) return;
  const { formatSize } = await import('../base/bytes.ts');
  const { escapeName } = await import('../base/name-text.ts');
  const { entries, bytes, chunks, newChunks, storedBytes, uploadedBytes, reusedFiles } = summary;
  const rows = [
    ['Flist', `${escapeName(Buffer.from(output))}, ${formatSize(summary.flistSize)}`],
    ['Entries', `${entries} with ${formatSize(bytes)}`],
    ['Chunks', `${chunks} with ${formatSize(storedBytes)}`],
    ['Uploaded', `${newChunks} with ${formatSize(uploadedBytes)}`],
    ...(reusedFiles > 0 ? [['Reused', `${plural(reusedFiles, 'file')} not read again`]] : []),
    ['Root digest', summary.rootDigest],
    ['Time', `${summary.seconds} s`],
    ...(url === undefined ? [] : [['Published', url]]),
  ];
  const { writeAll } = await import('./ui/output.ts');
  const text = rows.map(([title, value]) => `${title?.padEnd(13)}${value}\n`).join('');
  await writeAll(context.stdout, text, context.signal);
}
