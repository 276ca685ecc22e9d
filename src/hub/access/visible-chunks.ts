/** The hub's chunks as one caller may read them, for what reads files out of flists. */
import { missingError } from '../../store/chunk-id.ts';
import type { ChunkId, ChunkStore, StoreCallOptions } from '../../store/store.ts';
import type { HubContext } from '../route.ts';
import { visibilityOfChunks } from './chunk-access.ts';
import type { Identity } from './identity.ts';

/**
 * A flist names chunks, which is no right to read them: whoever publishes one may have got hold of another's
 * ids. What is hidden from the caller is missing.
 */
export function visibleChunks(
  { catalogue, chunks }: Pick<HubContext, 'catalogue' | 'chunks'>,
  identify: () => Promise<Identity>,
): ChunkStore {
  const isHidden = async (ids: readonly ChunkId[]): Promise<boolean[]> =>
    (await visibilityOfChunks(catalogue, ids, identify)).map((each) => each === 'hidden');
  return {
    name: chunks.name,
    get: async (id, options) => {
      const [hidden] = await isHidden([id]);
      if (hidden) throw missingError(id, chunks.name);
      return await chunks.get(id, options);
    },
    async *getMany(ids: readonly ChunkId[], options?: StoreCallOptions) {
      const hidden = await isHidden(ids);
      for (const [i, id] of ids.entries()) {
        if (hidden[i]) yield { id, error: missingError(id, chunks.name) };
      }
      yield* chunks.getMany(
        ids.filter((_, i) => !hidden[i]),
        options,
      );
    },
    missing: async (ids, options) => {
      const hidden = await isHidden(ids);
      const absent = await chunks.missing(
        ids.filter((_, i) => !hidden[i]),
        options,
      );
      return [...ids.filter((_, i) => hidden[i]), ...absent];
    },
    // The hub's own.
    close: async () => {},
  };
}
