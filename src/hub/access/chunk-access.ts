/**
 * Who may read a chunk (docs/hub.md).
 *
 * A chunk that a user uploads is theirs until a flist that refers to it is published: then it is of all who
 * may read in that repository, and public for good once that is everybody. Who sends a chunk's bytes has
 * them, and counts as one who uploaded it; whoever only names it does not. A chunk without a record is public.
 */

import type { ChunkId } from '../../store/store.ts';
import type { Catalogue, Transaction } from '../catalogue/catalogue.ts';
import { CHUNK_ACCESS, type ChunkAccess, REPOSITORY } from '../catalogue/records.ts';
import { type Identity, mayAccess } from './identity.ts';

export type Visibility = 'public' | 'private' | 'hidden';

/** Records of one transaction. */
const PART_COUNT = 256;

/** What these chunks are to somebody; `identify` is asked only when one of them is not public. */
export async function visibilityOfChunks(
  catalogue: Catalogue,
  ids: readonly ChunkId[],
  identify: () => Promise<Identity>,
): Promise<Visibility[]> {
  const records = await catalogue.getMany(
    CHUNK_ACCESS,
    ids.map((id) => [id]),
  );
  if (records.every((record) => record === undefined)) return ids.map(() => 'public');
  const mayRead = await readerOf(catalogue, await identify(), records);
  return records.map((record) => {
    if (record === undefined) return 'public';
    return mayRead(record) ? 'private' : 'hidden';
  });
}

/**
 * Notes who uploads a chunk, before it is stored.
 *
 * @param isNew the backend does not have it
 */
export async function noteUpload(
  catalogue: Catalogue,
  id: ChunkId,
  user: string | undefined,
  isNew: boolean,
): Promise<void> {
  const present = await catalogue.get(CHUNK_ACCESS, id);
  // Public already, or to become so: by an upload of nobody in particular.
  if (present === undefined && (user === undefined || !isNew)) return;
  if (!isNew && user !== undefined && present?.users.includes(user)) return;
  await catalogue.transaction(async (transaction) => {
    const record = await transaction.get(CHUNK_ACCESS, id);
    if (user === undefined) return transaction.delete(CHUNK_ACCESS, [id]);
    if (record === undefined && !isNew) return;
    const users = [...new Set([...(record?.users ?? []), user])];
    const repositories = record?.repositories ?? [];
    const before = record?.since ?? 0;
    const since = isNew ? Math.max(Date.now(), before + 1) : before;
    transaction.put(CHUNK_ACCESS, [id], { users, repositories, since });
  });
}

/**
 * Gives chunks to the readers of a repository because a flist there refers to them. Those that the publisher
 * may not read themselves stay as they are.
 */
export async function grantChunks(
  catalogue: Catalogue,
  identity: Identity,
  ids: Iterable<ChunkId>,
  to: { readonly repository: string; readonly isPublic: boolean },
): Promise<void> {
  const all = [...ids];
  for (let start = 0; start < all.length; start += PART_COUNT) {
    const part = all.slice(start, start + PART_COUNT);
    const records = await catalogue.getMany(
      CHUNK_ACCESS,
      part.map((id) => [id]),
    );
    const mayRead = await readerOf(catalogue, identity, records);
    const given = part.filter((_, i) => records[i] !== undefined && mayRead(records[i]));
    if (given.length === 0) continue;
    await catalogue.transaction(async (transaction) => {
      for (const id of given) await grant(transaction, id, to);
    });
  }
}

async function grant(
  transaction: Transaction,
  id: ChunkId,
  { repository, isPublic }: { repository: string; isPublic: boolean },
): Promise<void> {
  const record = await transaction.get(CHUNK_ACCESS, id);
  // Public since.
  if (record === undefined) return;
  if (isPublic) return transaction.delete(CHUNK_ACCESS, [id]);
  if (record.repositories.includes(repository)) return;
  const repositories = [...record.repositories, repository];
  transaction.put(CHUNK_ACCESS, [id], { ...record, repositories });
}

/** A function that knows the repositories of these records. */
async function readerOf(
  catalogue: Catalogue,
  identity: Identity,
  records: readonly (ChunkAccess | undefined)[],
): Promise<(record: ChunkAccess) => boolean> {
  const names = [...new Set(records.flatMap((record) => record?.repositories ?? []))];
  const repositories = await catalogue.getMany(
    REPOSITORY,
    names.map((name) => [name]),
  );
  const readable = new Set(
    names.filter((name, i) => {
      const repository = repositories[i];
      return repository !== undefined && mayAccess(identity, name, repository, 'read');
    }),
  );
  const { user, isAdmin } = identity;
  return (record) =>
    isAdmin ||
    (user !== undefined && record.users.includes(user)) ||
    record.repositories.some((name) => readable.has(name));
}
