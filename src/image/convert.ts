/**
 * A flist in the form of another generation. Where the form asks for other chunks, every content is read
 * through its stores, verified, packed anew and put into the new store, so that this store has all the
 * result needs. The file appears whole or not at all.
 */
import { CODEC } from '../base/codec.ts';
import { G8Error } from '../base/errors.ts';
import { BLOCK_SIZE_DEFAULT } from '../format/content.ts';
import { historicalLosses, type Loss } from '../format/flist/losses.ts';
import type { CodecBinding, ScanBinding, StreamBinding } from '../native/addon.ts';
import type { ChunkStore, WritableChunkStore } from '../store/store.ts';
import type { ChunkCodec } from './chunk-writer.ts';
import { loadSource, type Stored } from './create.ts';
import { type CreateProgress, createProgress } from './create-progress.ts';
import type { LoadedFlist } from './load.ts';
import { checkOutput } from './output.ts';
import { packTree } from './pack.ts';
import { packSqlite } from './pack-sqlite.ts';
import { formatRouter } from './router.ts';
import { FlistSource } from './source/flist.ts';

/** Who is to read the result: zflist and its mounts, the tools of 2017, or only we. */
export type Compatibility = 'zflist' | 'g1' | 'none';

/** Where new chunks go. */
export interface ConvertTarget {
  readonly store: WritableChunkStore;
  /** URL that the flist names to readers. */
  readonly route?: string | undefined;
  /** Opens the stores that the flist's contents are in. */
  readonly openStore: () => Promise<ChunkStore>;
}

export interface ConvertOptions {
  readonly flist: LoadedFlist;
  readonly output: string;
  readonly compat: Compatibility;
  /** Packs contents anew. Without it they keep their chunks, which only `none` allows. */
  readonly target?: ConvertTarget | undefined;
  /** Fails when the form cannot say all that the tree does. */
  readonly strict?: boolean | undefined;
  readonly addon: CodecBinding & ScanBinding & StreamBinding;
  readonly level?: number | undefined;
  readonly progress?: CreateProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ConvertSummary extends Partial<Stored> {
  readonly flistSize: number;
  /**
   * What readers of that form do not see, of the flist's records too. In `g1` most of it is in the file, for us
   * to read.
   */
  readonly lost: readonly Loss[];
}

const CODECS: Readonly<Record<Compatibility, ChunkCodec>> = {
  zflist: CODEC.legacyG2,
  g1: CODEC.legacyG1,
  none: CODEC.zstd,
};

/**
 * @throws ERR_CREATE when it cannot be said in that form, or, with `strict`, not all of it; what reading
 *   and writing chunks throws; ERR_ABORTED
 */
export async function convertFlist(options: ConvertOptions): Promise<ConvertSummary> {
  const { flist, output, compat, target, addon, signal } = options;
  const { progress = createProgress() } = options;
  if (target === undefined && compat !== 'none') throw new TypeError(`${compat} needs a target`);
  await checkOutput(output);
  const lost = [...flist.unread, ...(compat === 'none' ? [] : historicalLosses(flist.root))];
  if (options.strict === true && lost.length > 0) throw notAll(flist.source, lost);
  const stored = target && (await recode(options, target, progress));
  progress.phase = 'writing';
  const route = target?.route;
  const { metadata, names } = flist;
  // Chunks that were packed anew are in the new store, and only there.
  const router = target === undefined ? flist.router : route && formatRouter(route);
  const packing = { router, metadata, names, streams: addon, signal };
  const flistSize =
    compat === 'zflist'
      ? await packSqlite(flist.root, output, packing)
      : (await packTree(flist.root, output, packing)).flistSize;
  return { ...stored, flistSize, lost };
}

/** Gives the tree's files contents of the wanted codec. */
async function recode(
  { flist, compat, addon, level, signal }: ConvertOptions,
  { store, openStore }: ConvertTarget,
  progress: CreateProgress,
): Promise<Stored> {
  const keepBlockSize = compat === 'none';
  const source = new FlistSource({ flist, openStore, keepBlockSize });
  const chunkCodec = CODECS[compat];
  const options = { store, addon, chunkCodec, level, blockSize: BLOCK_SIZE_DEFAULT, signal };
  const { stored } = await loadSource(source, options, progress);
  return stored;
}

function notAll(source: string, lost: readonly Loss[]): G8Error {
  const kinds = lost.map(({ what, count }) => `${what} (${count})`).join(', ');
  return new G8Error('ERR_CREATE', `${source} has what would be lost: ${kinds}`);
}
