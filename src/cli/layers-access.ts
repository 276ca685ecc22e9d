/** What the commands that put several flists together share: loading them, writing one of them all. */
import type { Inode } from '../format/tree.ts';
import type { Context } from './context.ts';

/** Flists in memory at a time are all of them; more is a mistake in a script. */
const FLISTS_MAX = 256;

/**
 * Loads flists, puts their trees together and writes the result, whose settings are those of one of them
 * and whose router finds the chunks of all.
 *
 * @param settingsOf position of the flist whose settings are taken
 * @throws ERR_USAGE for too many, what loading and writing throw
 */
export async function writeCombined(
  context: Context,
  output: string,
  sources: readonly string[],
  settingsOf: number,
  combine: (roots: readonly Inode[]) => Inode,
): Promise<void> {
  const { G8Error } = await import('../base/errors.ts');
  const { combineRouters } = await import('../image/combine-routers.ts');
  const { loadFlist } = await import('../image/load.ts');
  const { checkOutput } = await import('../image/output.ts');
  const { packTree } = await import('../image/pack.ts');
  const { addon } = await import('../native/load.ts');
  if (sources.length > FLISTS_MAX) {
    throw new G8Error('ERR_USAGE', `${sources.length} flists are more than ${FLISTS_MAX}`);
  }
  await checkOutput(output);
  const { signal } = context;
  const options = { codec: addon(), tmpDir: context.env['TMPDIR'] || undefined, signal };
  const flists = [];
  for (const source of sources) flists.push(await loadFlist(source, options));
  const root = combine(flists.map((flist) => flist.root));
  const router = combineRouters(flists);
  const metadata = flists[settingsOf]?.metadata;
  const packed = await packTree(root, output, { router, metadata, signal });
  if (!context.json) return;
  const { printJson } = await import('./ui/json.ts');
  const { directories, files, symlinks, specials, fileBytes: bytes } = packed.counts;
  const { rootDigest, flistSize } = packed;
  const counts = { directories, files, symlinks, specials, bytes };
  await printJson(context, { output, ...counts, rootDigest, flistSize });
}
