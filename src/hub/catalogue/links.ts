/** Links from one name to a flist or a tag, here or in another repository. */
import type { Catalogue } from './catalogue.ts';
import { ENTRY, TAG } from './records.ts';
import { ensureRepository } from './repositories.ts';

/** `absent`: there is nothing to link to; `occupied`: a flist has the name, which is not replaced. */
export type LinkOutcome = 'linked' | 'absent' | 'occupied';

/**
 * Makes the file a link to another, in place of a link that was there.
 *
 * The target has to be there now and may go later. `owner` owns the repository if this makes it.
 */
export async function putLink(
  catalogue: Catalogue,
  link: { repository: string; file: string; owner: string | undefined },
  target: { repository: string; file: string },
): Promise<LinkOutcome> {
  return await catalogue.transaction(async (transaction) => {
    if ((await transaction.get(ENTRY, target.repository, target.file)) === undefined) {
      return 'absent';
    }
    const present = await transaction.get(ENTRY, link.repository, link.file);
    if (present?.kind === 'flist') return 'occupied';
    await ensureRepository(transaction, link.repository, link.owner);
    const linked = Date.now();
    transaction.put(ENTRY, [link.repository, link.file], { kind: 'link', target, linked });
    return 'linked';
  });
}

/**
 * Makes the name (without `.flist`) a link to a tag, in place of such a link that was there. It is
 * `occupied` when a flist or a link has the same name with `.flist`.
 */
export async function putTagLink(
  catalogue: Catalogue,
  link: { repository: string; name: string; owner: string | undefined },
  target: { repository: string; tag: string },
): Promise<LinkOutcome> {
  // A tag is there while it has a link; this cannot be checked at the commit, and a link may dangle anyway.
  const isThere = await hasAny(catalogue.list(TAG, [target.repository, target.tag], { limit: 1 }));
  if (!isThere) return 'absent';
  return await catalogue.transaction(async (transaction) => {
    const { repository, name, owner } = link;
    if ((await transaction.get(ENTRY, repository, `${name}.flist`)) !== undefined) {
      return 'occupied';
    }
    await ensureRepository(transaction, repository, owner);
    const linked = Date.now();
    transaction.put(ENTRY, [repository, name], { kind: 'taglink', target, linked });
    return 'linked';
  });
}

async function hasAny(items: AsyncIterable<unknown>): Promise<boolean> {
  for await (const _ of items) return true;
  return false;
}
