/** From an archive or a registry image to a published flist. Nothing appears before all of it is stored. */
import { join } from 'node:path';
import type { Metadata } from '../../format/flist/metadata.ts';
import { formatSetting } from '../../format/flist/settings.ts';
import { loadSource } from '../../image/create.ts';
import { type CreateProgress, createProgress } from '../../image/create-progress.ts';
import { fileStream } from '../../image/file-stream.ts';
import { packTree } from '../../image/pack.ts';
import { formatRouter } from '../../image/router.ts';
import type { ImageSource, SourceTree } from '../../image/source/source.ts';
import { countContents, type Statistics } from '../historical/contents.ts';
import { OwnedStore } from '../owned-store.ts';
import { Problem } from '../problem.ts';
import type { HubAddon, HubContext } from '../route.ts';
import { type PublishTarget, publishFile } from './target.ts';

export interface ImageJob {
  /** Closed, whatever happens. */
  readonly source: ImageSource;
  readonly target: PublishTarget;
  /** Empty; its owner removes it. */
  readonly folder: string;
  /** URL of this hub as readers see it, where they find the chunks. */
  readonly route: string;
  /** Adds to the settings that the source brings. */
  readonly metadata?: (tree: SourceTree, addon: HubAddon) => Promise<Metadata> | Metadata;
  readonly progress?: CreateProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws Problem 501 on a hub without the native addon */
export function requireAddon({ addon }: HubContext): HubAddon {
  if (addon === undefined) throw new Problem(501, 'This hub cannot make flists of archives');
  return addon;
}

/** @throws what reading the source throws (ERR_FLIST_FORMAT and its kin), what storing throws */
export async function publishImage(context: HubContext, job: ImageJob): Promise<Statistics> {
  const { source, folder, route, signal, progress = createProgress() } = job;
  try {
    const addon = requireAddon(context);
    const store = new OwnedStore(context, job.target.actor.identity);
    const tree = await loadSource(source, { store, addon, signal }, progress);
    const metadata = new Map(tree.metadata);
    for (const [key, value] of (await job.metadata?.(tree, addon)) ?? []) metadata.set(key, value);
    // Clients with a 0-db protocol find the chunks there; ours by the router.
    const backend = context.publicBackend;
    if (backend !== undefined) metadata.set('backend', formatSetting({ ...backend }));
    progress.phase = 'writing';
    const output = join(folder, 'made.flist');
    await packTree(tree.root, output, { router: formatRouter(route), metadata, signal });
    const statistics = await context.records.with(
      () => fileStream(output, { signal }) as AsyncIterable<Uint8Array>,
      ({ database }) => countContents(database),
    );
    await publishFile(context, job.target, output);
    return statistics;
  } finally {
    await source.close();
  }
}
