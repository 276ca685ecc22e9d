/** A verified chunk on its way into the backend: whose it is, and whether there is room for it. */
import type { ChunkId } from '../store/store.ts';
import { noteUpload } from './access/chunk-access.ts';
import type { Identity } from './access/identity.ts';
import { chargeQuota } from './access/quota.ts';
import type { HubContext } from './route.ts';

/**
 * Stores a chunk whose bytes match its id.
 *
 * @param options.isPublic everybody may read it, as old clients expect that know no flists. Default false
 * @throws Problem 403 when the quota is used up; what the backend throws
 */
export async function keepChunk(
  { catalogue, chunks }: HubContext,
  { user }: Identity,
  id: ChunkId,
  bytes: Uint8Array,
  { isPublic = false }: { isPublic?: boolean } = {},
): Promise<'new' | 'known'> {
  const isNew = (await chunks.missing([id])).length > 0;
  if (isNew && user !== undefined) await chargeQuota(catalogue, user, bytes.length);
  await noteUpload(catalogue, id, isPublic ? undefined : user, isNew);
  if (isNew) await chunks.put(id, bytes);
  return isNew ? 'new' : 'known';
}
