/** Several published flists as a new one; where several have a name, the first wins. */
import { join } from 'node:path';
import { ownerNames } from '../../format/flist/owner-names.ts';
import { mergeTrees } from '../../format/flist/stack.ts';
import type { Inode } from '../../format/tree.ts';
import { combineRouters, type NamedRouter } from '../../image/combine-routers.ts';
import { type PackTreeOptions, packTree } from '../../image/pack.ts';
import type { FlistRecord } from '../catalogue/records.ts';
import type { HubContext } from '../route.ts';
import { withWorkFolder } from '../work-folder.ts';
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
    await withWorkFolder(context.dataDir, async (folder) => {
      const output = join(folder, 'merged.flist');
      const router = combineRouters(flists);
      const { metadata, names } = flists[0] as LoadedSource;
      await packTree(root, output, { router, metadata, names });
      await publishFile(context, target, output);
    });
  });
}
