/** Flists that come ready made: taken as they are when all that they refer to is here. */
import { toHex } from '../../base/bytes.ts';
import type { MetadataDatabase } from '../../format/database.ts';
import type { Inode } from '../../format/tree.ts';
import { fileStream } from '../../image/file-stream.ts';
import { MISSING_COUNT_MAX } from '../../store/hub-protocol.ts';
import type { ChunkStore } from '../../store/store.ts';
import { countContents, type Statistics } from '../historical/contents.ts';
import { OwnedStore } from '../owned-store.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';
import { contentsOf } from './contents-of.ts';
import { type PublishTarget, publishFile } from './target.ts';

/**
 * Publishes the bytes of a file unchanged.
 *
 * @throws ERR_FLIST_FORMAT when any record of it makes no sense, Problem 400 when a chunk is not here
 */
export async function publishReadyFlist(
  context: HubContext,
  target: PublishTarget,
  path: string,
): Promise<{ database: MetadataDatabase; statistics: Statistics }> {
  // Chunks of others that are private are not here for whoever uploads this.
  const store = new OwnedStore(context, target.actor.identity);
  return await context.records.with(
    () => fileStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>,
    async ({ database, tree }) => {
      const statistics = countContents(database);
      const failures = await countIncomplete(tree(), store);
      if (failures > 0) {
        throw new Problem(400, 'unauthorized upload, contents is not fully present on backend');
      }
      await publishFile(context, target, path);
      return { database, statistics };
    },
  );
}

/** Files of which a chunk is missing. */
async function countIncomplete(root: Inode, chunks: ChunkStore): Promise<number> {
  const files = [...contentsOf(root)].map(({ chunks: all }) => all.map(({ id }) => toHex(id)));
  const ids = new Set(files.flat().filter((id) => id !== ''));
  const missing = new Set<string>();
  const all = [...ids];
  for (let at = 0; at < all.length; at += MISSING_COUNT_MAX) {
    for (const id of await chunks.missing(all.slice(at, at + MISSING_COUNT_MAX))) missing.add(id);
  }
  return files.filter((file) => file.some((id) => missing.has(id))).length;
}
