/** Several published flists as a new one; where several have a name, the first wins. */
import { join } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import { ownerNames } from '../../format/flist/owner-names.ts';
import { mergeTrees } from '../../format/flist/stack.ts';
import type { Inode } from '../../format/tree.ts';
import { combineRouters, type NamedRouter } from '../../image/combine-routers.ts';
import { type PackTreeOptions, packTree } from '../../image/pack.ts';
import { MISSING_COUNT_MAX } from '../../store/hub-protocol.ts';
import type { FlistRecord } from '../catalogue/records.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';
import { withWorkFolder } from '../work-folder.ts';
import { contentsOf } from './contents-of.ts';
import { type PublishTarget, publishFile } from './target.ts';

/** All of them are in memory at a time. */
export const MERGE_COUNT_MAX = 64;

export interface MergeSource {
  /** `repository/file`, for messages. */
  readonly name: string;
  readonly flist: FlistRecord;
}

interface LoadedSource extends NamedRouter, Pick<PackTreeOptions, 'metadata' | 'names'> {
  readonly root: Inode;
}

/** @throws ERR_FLIST_FORMAT, ERR_CREATE when the routers are more than one can hold */
export async function publishMerged(
  context: HubContext,
  target: PublishTarget,
  sources: readonly MergeSource[],
): Promise<void> {
  const { records, packages } = context;
  await records.run(async () => {
    const flists: LoadedSource[] = [];
    for (const { name, flist } of sources) {
      const saved = await packages.find(flist.digest);
      if (saved === undefined) throw new Error(`Package ${flist.digest} has no record`);
      const { tree, metadata, router, generation, database } = await records.read(
        packages.read(saved),
      );
      const text = router && Buffer.from(router).toString();
      const names = generation === 'ours' ? undefined : ownerNames(database, generation);
      flists.push({ source: name, root: tree(), metadata, router: text, names });
    }
    const root = mergeTrees(flists.map((flist) => flist.root));
    await keepChunks(context, sources, root);
    await withWorkFolder(context.dataDir, async (folder) => {
      const output = join(folder, 'merged.flist');
      const router = combineRouters(flists);
      const { metadata, names } = flists[0] as LoadedSource;
      await packTree(root, output, { router, metadata, names });
      await publishFile(context, target, output);
    });
  });
}

/**
 * Begins the grace period of the chunks anew: a source may be taken away while it is merged, and a collection must not
 * take with it what the new flist refers to. Chunks that were never here are no concern of the hub's.
 *
 * @throws Problem 503 when a source is gone, and with it some of the chunks
 */
async function keepChunks(
  { chunks, packages }: HubContext,
  sources: readonly MergeSource[],
  root: Inode,
): Promise<void> {
  const ids = new Set<string>();
  for (const content of contentsOf(root)) for (const { id } of content.chunks) ids.add(toHex(id));
  ids.delete('');
  const all = [...ids];
  let missingCount = 0;
  for (let at = 0; at < all.length; at += MISSING_COUNT_MAX) {
    missingCount += (await chunks.missing(all.slice(at, at + MISSING_COUNT_MAX))).length;
  }
  if (missingCount === 0) return;
  // A collection deletes a package before its chunks.
  for (const { flist } of sources) {
    if ((await packages.find(flist.digest)) !== undefined) continue;
    throw new Problem(503, 'A source was removed while it was merged', { 'retry-after': '5' });
  }
}
